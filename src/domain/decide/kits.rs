//! `kit.create`, `.assemble`, `.disassemble`: the definition, and the kit SKU's own level. Components change
//! by commands of their own.

use std::borrow::Cow;

use super::super::command::{Refusal, RefusalCode};
use super::super::event::{Fact, KitAssembled, KitCreated, KitDisassembled};
use super::case::Case;
use super::levels::{Movement, wide};

const ADJUSTMENT: &str = "ADJUSTMENT";

pub(super) fn create(case: &mut Case<'_>, kit: &KitCreated<'static>) {
    if let Some(existing) = &case.stock.kit {
        let message = format!("it is a kit already, {}", existing.name);
        case.refuse(Refusal::new(RefusalCode::KitExists, message).with_text("kit_name", &*existing.name));
    }
    case.becomes(Fact::KitCreated(kit.clone()));
}

pub(super) fn assemble(case: &mut Case<'_>, assembly: &KitAssembled<'static>) {
    let field = "kit_quantity_produced";
    match &case.stock.kit {
        Some(kit) => case.require_room(kit.assembled, wide(assembly.produced), field, "the kits assembled"),
        None => unknown(case),
    }
    case.becomes(Fact::KitAssembled(assembly.clone()));
    level(case, wide(assembly.produced), field);
}

/// An observation that cannot accept a shortfall. Kits that came ready-made may be taken apart as well, so
/// the total of those assembled here is no bound.
pub(super) fn disassemble(case: &mut Case<'_>, disassembly: &KitDisassembled<'static>) {
    if case.stock.kit.is_none() {
        unknown(case);
    }
    case.becomes(Fact::KitDisassembled(disassembly.clone()));
    level(case, -wide(disassembly.quantity), "kit_quantity");
    case.require_no_oversell(false);
}

fn level(case: &mut Case<'_>, by: i128, field: &'static str) {
    case.change_level(&Movement {
        on_hand: by,
        reason: Cow::Borrowed(ADJUSTMENT),
        field,
        ..Movement::default()
    });
}

fn unknown(case: &mut Case<'_>) {
    case.refuse(Refusal::new(RefusalCode::UnknownKit, "no kit of this SKU was created"));
}
