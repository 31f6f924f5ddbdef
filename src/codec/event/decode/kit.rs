//! Events of kits, which carry lists of components. Rare, so their lists are read when asked for, from the
//! text that the one pass has checked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::names::{Field, fields};
use super::object::{Object, repeated};
use super::read::{invalid, missing, quantity};
use crate::codec::event::json::{Name, Scanner, Token};
use crate::codec::event::{Malformed, Reason, limits};
use crate::domain::event::{KitAssembled, KitComponent, KitCreated, KitDisassembled};
use crate::types::Quantity;

fields! {
    kit_created {
        SKU "sku" ""
        KIT_SKU "kit_sku" "kitSku"
        KIT_NAME "kit_name" "kitName"
        KIT_TYPE "kit_type" "kitType"
        COMPONENTS "components" ""
        CREATED_BY "created_by" "createdBy"
    }
}

fields! {
    component {
        COMPONENT_SKU "component_sku" "componentSku"
        QUANTITY "quantity" ""
        IS_OPTIONAL "is_optional" "isOptional"
    }
}

fields! {
    kit_assembled {
        SKU "sku" ""
        KIT_SKU "kit_sku" "kitSku"
        ASSEMBLY_ORDER_ID "assembly_order_id" "assemblyOrderId"
        KIT_QUANTITY_PLANNED "kit_quantity_planned" "kitQuantityPlanned"
        KIT_QUANTITY_PRODUCED "kit_quantity_produced" "kitQuantityProduced"
        COMPONENTS_CONSUMED "components_consumed" "componentsConsumed"
        ASSEMBLY_LOCATION "assembly_location" "assemblyLocation"
        COMPLETED_BY "completed_by" "completedBy"
    }
}

fields! {
    kit_disassembled {
        SKU "sku" ""
        KIT_SKU "kit_sku" "kitSku"
        DISASSEMBLY_ORDER_ID "disassembly_order_id" "disassemblyOrderId"
        KIT_QUANTITY "kit_quantity" "kitQuantity"
        COMPONENTS_RECOVERED "components_recovered" "componentsRecovered"
        DISASSEMBLY_LOCATION "disassembly_location" "disassemblyLocation"
        COMPLETED_BY "completed_by" "completedBy"
    }
}

type Read<T> = Result<T, Malformed>;

pub(super) fn created<'a>(object: &Object<'a>) -> Read<KitCreated<'a>> {
    use kit_created as f;
    Ok(KitCreated {
        kit_name: object.text(f::KIT_NAME)?,
        kit_type: object.label(f::KIT_TYPE)?,
        components: object.read(f::COMPONENTS, components)?.ok_or_else(|| missing(f::COMPONENTS))?,
        created_by: object.text(f::CREATED_BY)?,
    })
}

pub(super) fn assembled<'a>(object: &Object<'a>) -> Read<KitAssembled<'a>> {
    use kit_assembled as f;
    Ok(KitAssembled {
        assembly_order_id: object.text(f::ASSEMBLY_ORDER_ID)?,
        planned: object.quantity(f::KIT_QUANTITY_PLANNED)?,
        produced: object.quantity(f::KIT_QUANTITY_PRODUCED)?,
        components_consumed: units(object, f::COMPONENTS_CONSUMED)?,
        assembly_location: object.label(f::ASSEMBLY_LOCATION)?,
        completed_by: object.text(f::COMPLETED_BY)?,
    })
}

pub(super) fn disassembled<'a>(object: &Object<'a>) -> Read<KitDisassembled<'a>> {
    use kit_disassembled as f;
    Ok(KitDisassembled {
        disassembly_order_id: object.text(f::DISASSEMBLY_ORDER_ID)?,
        quantity: object.quantity(f::KIT_QUANTITY)?,
        components_recovered: units(object, f::COMPONENTS_RECOVERED)?,
        disassembly_location: object.label(f::DISASSEMBLY_LOCATION)?,
        completed_by: object.text(f::COMPLETED_BY)?,
    })
}

fn components<'a>(token: Token<'a>) -> Read<Vec<KitComponent<'a>>> {
    let Token::Array(text) = token else {
        return Err(invalid(kit_created::COMPONENTS, "an array"));
    };
    let mut read = Vec::new();
    Scanner::new(text).elements(|scanner| {
        if scanner.is_object() {
            let mut object = Object::<4>::new();
            object.fill(&component::NAMES, scanner)?;
            read.push(component_of(&object));
        } else {
            scanner.value()?;
            read.push(Err(invalid(kit_created::COMPONENTS, "objects")));
        }
        Ok(())
    })?;
    read.into_iter().collect()
}

fn component_of<'a>(object: &Object<'a, 4>) -> Read<KitComponent<'a>> {
    object.check_repeated()?;
    Ok(KitComponent {
        component_sku: object.label(component::COMPONENT_SKU)?,
        quantity: object.quantity(component::QUANTITY)?,
        is_optional: object.flag(component::IS_OPTIONAL)?,
    })
}

/// Units by component SKU.
fn units<'a>(object: &Object<'a>, field: Field) -> Read<BTreeMap<Cow<'a, str>, Quantity>> {
    let units = object.read(field, |token| {
        let Token::Object(text) = token else {
            return Err(invalid(field, "an object"));
        };
        let mut members: Vec<(Name<'a>, Token<'a>)> = Vec::new();
        Scanner::new(text).members(|scanner| {
            let key = scanner.key()?;
            members.push((scanner.name(key), scanner.value()?.token(text, &[])));
            Ok(())
        })?;
        let mut names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
        if let Some(name) = repeated(&mut names) {
            return Err(Malformed::new(Reason::RepeatedKey, format!("{:?} stands twice", name.text())));
        }
        let mut units = BTreeMap::new();
        for (name, token) in members {
            let sku = name.text();
            limits::check_label(&sku).map_err(|expected| invalid(field, expected))?;
            units.insert(sku, quantity(field, token)?);
        }
        Ok(units)
    })?;
    units.ok_or_else(|| missing(field))
}
