//! The data of each command, its flags named as the fields.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::types::{Money, UtcTime};

/// The fields of a command's data.
type Data = Map<String, Value>;

/// Puts what was given into an object.
fn fields<const N: usize>(given: [(&str, Option<Value>); N]) -> Data {
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(text: String) -> Option<Value> {
    Some(Value::String(text))
}

fn optional(text: Option<String>) -> Option<Value> {
    text.map(Value::String)
}

fn time(time: Option<UtcTime>) -> Option<Value> {
    time.map(|time| Value::String(time.to_string()))
}

/// Only said where it is true.
fn flag(is_set: bool) -> Option<Value> {
    is_set.then_some(Value::Bool(true))
}

#[derive(Args)]
#[group(skip)]
pub struct Receive {
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    /// RECEIPT, unless given.
    #[arg(long)]
    reason: Option<String>,
    /// Of the units that arrive; AVAILABLE, unless given.
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    location_id: Option<String>,
    #[arg(long)]
    lot_number: Option<String>,
    /// Of the lot.
    #[arg(long, value_name = "DATE", requires = "lot_number")]
    expiry_date: Option<String>,
    /// Of one unit.
    #[arg(long, value_name = "MONEY")]
    unit_cost: Option<Money>,
}

impl Receive {
    pub fn data(self) -> Data {
        let lot = self.lot_number.map(|number| {
            Value::Object(fields([("lot_number", text(number)), ("expiry_date", optional(self.expiry_date))]))
        });
        fields([
            ("quantity", Some(self.quantity.into())),
            ("reason", optional(self.reason)),
            ("status", optional(self.status)),
            ("location_id", optional(self.location_id)),
            ("lot", lot),
            ("unit_cost", self.unit_cost.map(|money| json!(money))),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct Adjust {
    /// By how many more, or fewer.
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    quantity_change: i64,
    #[arg(long)]
    reason: String,
    /// Of the units; AVAILABLE, unless given.
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    location_id: Option<String>,
    #[arg(long)]
    lot_number: Option<String>,
    #[arg(long)]
    comment: Option<String>,
    /// Even where less is left than was promised.
    #[arg(long)]
    accept_shortfall: bool,
}

impl Adjust {
    pub fn data(self) -> Data {
        fields([
            ("quantity_change", Some(self.quantity_change.into())),
            ("reason", text(self.reason)),
            ("status", optional(self.status)),
            ("location_id", optional(self.location_id)),
            ("lot_number", optional(self.lot_number)),
            ("comment", optional(self.comment)),
            ("accept_shortfall", flag(self.accept_shortfall)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct Set {
    /// Of the SKU; with --location-id, counted there.
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    #[arg(long)]
    reason: String,
    #[arg(long)]
    location_id: Option<String>,
    #[arg(long)]
    comment: Option<String>,
    /// Even where less is left than was promised.
    #[arg(long)]
    accept_shortfall: bool,
}

impl Set {
    pub fn data(self) -> Data {
        fields([
            ("quantity", Some(self.quantity.into())),
            ("reason", text(self.reason)),
            ("location_id", optional(self.location_id)),
            ("comment", optional(self.comment)),
            ("accept_shortfall", flag(self.accept_shortfall)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct Allocate {
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    /// A name, such as the order's; without it the units are promised to nobody in particular.
    #[arg(long)]
    allocation_id: Option<String>,
    /// Then the promise ends by itself.
    #[arg(long, value_name = "TIME", requires = "allocation_id")]
    expires_at: Option<UtcTime>,
}

impl Allocate {
    pub fn data(self) -> Data {
        fields([
            ("quantity", Some(self.quantity.into())),
            ("allocation_id", optional(self.allocation_id)),
            ("expires_at", time(self.expires_at)),
        ])
    }
}

#[derive(Args)]
#[group(id = "what", required = true, multiple = true)]
pub struct Deallocate {
    #[arg(long)]
    allocation_id: Option<String>,
    /// All of the allocation, unless given.
    #[arg(long, value_name = "UNITS")]
    quantity: Option<u64>,
}

impl Deallocate {
    pub fn data(self) -> Data {
        fields([
            ("allocation_id", optional(self.allocation_id)),
            ("quantity", self.quantity.map(Value::from)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct Pick {
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    #[arg(long)]
    allocation_id: Option<String>,
    #[arg(long)]
    location_id: Option<String>,
    #[arg(long)]
    lot_number: Option<String>,
}

impl Pick {
    pub fn data(self) -> Data {
        fields([
            ("quantity", Some(self.quantity.into())),
            ("allocation_id", optional(self.allocation_id)),
            ("location_id", optional(self.location_id)),
            ("lot_number", optional(self.lot_number)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct ChangeStatus {
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    #[arg(long, value_name = "STATUS")]
    from: String,
    #[arg(long, value_name = "STATUS")]
    to: String,
    #[arg(long)]
    reason: String,
    #[arg(long)]
    lot_number: Option<String>,
    /// Even where less is left than was promised.
    #[arg(long)]
    accept_shortfall: bool,
}

impl ChangeStatus {
    pub fn data(self) -> Data {
        fields([
            ("quantity", Some(self.quantity.into())),
            ("from", text(self.from)),
            ("to", text(self.to)),
            ("reason", text(self.reason)),
            ("lot_number", optional(self.lot_number)),
            ("accept_shortfall", flag(self.accept_shortfall)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct PlaceHold {
    #[arg(long)]
    hold_id: String,
    /// QUALITY_HOLD, CREDIT_HOLD, ADMINISTRATIVE_HOLD or REGULATORY_HOLD.
    #[arg(long)]
    hold_type: String,
    #[arg(long, value_name = "UNITS")]
    quantity: u64,
    #[arg(long)]
    reason: String,
    #[arg(long)]
    lot_number: Option<String>,
    /// Then the hold ends by itself.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<UtcTime>,
    /// Even where less is left than was promised.
    #[arg(long)]
    accept_shortfall: bool,
}

impl PlaceHold {
    pub fn data(self) -> Data {
        fields([
            ("hold_id", text(self.hold_id)),
            ("hold_type", text(self.hold_type)),
            ("quantity", Some(self.quantity.into())),
            ("reason", text(self.reason)),
            ("lot_number", optional(self.lot_number)),
            ("expires_at", time(self.expires_at)),
            ("accept_shortfall", flag(self.accept_shortfall)),
        ])
    }
}

#[derive(Args)]
#[group(skip)]
pub struct ReleaseHold {
    #[arg(long)]
    hold_id: String,
    /// All of the hold, unless given.
    #[arg(long, value_name = "UNITS")]
    quantity: Option<u64>,
    #[arg(long)]
    released_by: String,
}

impl ReleaseHold {
    pub fn data(self) -> Data {
        fields([
            ("hold_id", text(self.hold_id)),
            ("quantity", self.quantity.map(Value::from)),
            ("released_by", text(self.released_by)),
        ])
    }
}
