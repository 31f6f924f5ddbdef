//! `level-changed` in its three layouts: nested, flat and minimal.

use super::names::{Expected, fields};
use super::object::{Object, Unknown};
use super::read::{invalid, missing};
use crate::codec::event::json::{Lexeme, Scanner, SyntaxError, Token};
use crate::codec::event::{Malformed, Reason};
use crate::domain::event::{Level, LevelChanged};

fields! {
    level_changed {
        SKU "sku" ""
        PREVIOUS "previous_stock_level" "previousStockLevel"
        NEW "new_stock_level" "newStockLevel"
        CHANGE_REASON "change_reason" "changeReason"
        LOCATION_ID "location_id" "locationId"
        ALLOCATION_ID "allocation_id" "allocationId"
        LOT_NUMBER "lot_number" "lotNumber"
        EXPIRY_DATE "expiry_date" "expiryDate"
        EXPIRES_AT "expires_at" "expiresAt"
        COMMENT "comment" ""
        PREVIOUS_ON_HAND "previous_quantity_on_hand" "previousQuantityOnHand"
        PREVIOUS_ALLOCATED "previous_quantity_allocated" "previousQuantityAllocated"
        PREVIOUS_AVAILABLE "previous_available_to_promise" "previousAvailableToPromise"
        NEW_ON_HAND "new_quantity_on_hand" "newQuantityOnHand"
        NEW_ALLOCATED "new_quantity_allocated" "newQuantityAllocated"
        NEW_AVAILABLE "new_available_to_promise" "newAvailableToPromise"
        CHANGE_TYPE "change_type" "changeType"
        REASON_CODE "reason_code" "reasonCode"
    }
}

fields! {
    stock_level {
        ON_HAND "quantity_on_hand" "quantityOnHand"
        ALLOCATED "quantity_allocated" "quantityAllocated"
        AVAILABLE "available_to_promise" "availableToPromise"
    }
}

use level_changed as f;

type Read<T> = Result<T, Malformed>;

/// Nested levels as they were read on the way.
pub(super) struct Levels<'a> {
    previous: Nested<'a>,
    new: Nested<'a>,
}

/// A nested level, and the value it was read from.
struct Nested<'a> {
    object: Object<'a, 4>,
    from: Lexeme,
}

impl Levels<'_> {
    pub(super) fn new() -> Self {
        let nested = || Nested { object: Object::new(), from: Lexeme::ABSENT };
        Self { previous: nested(), new: nested() }
    }
}

/// Reads the data object that is next in `scanner`, its nested levels too.
#[inline]
pub(super) fn fill<'a>(
    object: &mut Object<'a>,
    levels: &mut Levels<'a>,
    scanner: &mut Scanner<'a>,
) -> Result<(), Box<SyntaxError>> {
    object.within(scanner);
    let (mut unknown, mut expected) = (Unknown::new(), Expected::FIRST);
    scanner.members(|scanner| {
        let at = scanner.at();
        let name = f::NAMES.next(scanner, &mut expected)?;
        let nested = match name {
            Some(name) if name.is(f::PREVIOUS) => Some(&mut levels.previous),
            Some(name) if name.is(f::NEW) => Some(&mut levels.new),
            _ => None,
        };
        let lexeme = match nested {
            Some(level) if level.from == Lexeme::ABSENT && scanner.is_object() => {
                let start = scanner.at();
                level.object.fill(&stock_level::NAMES, scanner)?;
                level.from = scanner.object_since(start);
                level.from
            }
            _ => scanner.value()?,
        };
        object.take(name, lexeme, scanner, at, &mut unknown);
        Ok(())
    })?;
    object.check_unknown(unknown);
    Ok(())
}

/// The second of two spellings, whose grammar was checked.
#[cold]
fn second_level(text: &str) -> Read<Level> {
    let mut object = Object::<4>::new();
    object.fill(&stock_level::NAMES, &mut Scanner::new(text))?;
    level(&object)
}

fn level(object: &Object<'_, 4>) -> Read<Level> {
    object.check_repeated()?;
    Ok(Level {
        on_hand: object.optional_whole(stock_level::ON_HAND)?.ok_or_else(|| missing(stock_level::ON_HAND))?,
        allocated: Some(
            object.optional_whole(stock_level::ALLOCATED)?.ok_or_else(|| missing(stock_level::ALLOCATED))?,
        ),
        available_to_promise: Some(
            object.optional_whole(stock_level::AVAILABLE)?.ok_or_else(|| missing(stock_level::AVAILABLE))?,
        ),
    })
}

pub(super) fn read<'a>(object: &Object<'a>, levels: &Levels<'a>) -> Read<LevelChanged<'a>> {
    let nested = |field, nested: &Nested<'a>| {
        let known = object.token(nested.from);
        object.read(field, |token| match (token, known) {
            (Token::Object(text), Token::Object(known)) if std::ptr::eq(text, known) => level(&nested.object),
            (Token::Object(text), _) => second_level(text),
            _ => Err(invalid(field, "an object")),
        })
    };
    let previous = nested(f::PREVIOUS, &levels.previous)?;
    let new = nested(f::NEW, &levels.new)?;
    let (previous, new) = match (previous, new) {
        (None, None) => {
            let previous = flat(object, f::PREVIOUS_ON_HAND, f::PREVIOUS_ALLOCATED, f::PREVIOUS_AVAILABLE)?;
            (previous, flat(object, f::NEW_ON_HAND, f::NEW_ALLOCATED, f::NEW_AVAILABLE)?)
        }
        (Some(previous), Some(new)) => {
            let all = [
                (f::PREVIOUS_ON_HAND, Some(previous.on_hand)),
                (f::PREVIOUS_ALLOCATED, previous.allocated),
                (f::PREVIOUS_AVAILABLE, previous.available_to_promise),
                (f::NEW_ON_HAND, Some(new.on_hand)),
                (f::NEW_ALLOCATED, new.allocated),
                (f::NEW_AVAILABLE, new.available_to_promise),
            ];
            for (field, value) in all {
                let said = object.optional_whole(field)?;
                if said.is_some() && said != value {
                    let detail = format!("{} differs from the nested level", field.name);
                    return Err(Malformed::new(Reason::RepeatedKey, detail));
                }
            }
            (previous, new)
        }
        (None, Some(_)) => return Err(missing(f::PREVIOUS)),
        (Some(_), None) => return Err(missing(f::NEW)),
    };
    let change_reason = match object.optional_text(f::CHANGE_REASON)? {
        Some(reason) => reason,
        None => match object.optional_text(f::REASON_CODE)? {
            Some(code) => code,
            None => object.optional_text(f::CHANGE_TYPE)?.ok_or_else(|| missing(f::CHANGE_REASON))?,
        },
    };
    Ok(LevelChanged {
        previous,
        new,
        change_reason,
        location_id: object.optional_label(f::LOCATION_ID)?,
        allocation_id: object.optional_label(f::ALLOCATION_ID)?,
        lot_number: object.optional_label(f::LOT_NUMBER)?,
        expiry_date: object.optional_label(f::EXPIRY_DATE)?,
        expires_at: object.optional_time(f::EXPIRES_AT)?,
        comment: object.optional_text(f::COMMENT)?,
    })
}

fn flat(
    object: &Object<'_>,
    on_hand: super::names::Field,
    allocated: super::names::Field,
    available: super::names::Field,
) -> Read<Level> {
    Ok(Level {
        on_hand: object.optional_whole(on_hand)?.ok_or_else(|| missing(on_hand))?,
        allocated: object.optional_whole(allocated)?,
        available_to_promise: object.optional_whole(available)?,
    })
}
