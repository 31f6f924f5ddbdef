//! The rules of applying once more, written for reading and not for speed: whole maps, wide integers, every
//! sum taken anew. A step that would leave the range of quantities is undone by keeping the state before.

use std::collections::{BTreeMap, VecDeque};

use super::*;

type Units = i128;
const MOST: Units = i64::MAX as Units;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    pub on_hand: Units,
    pub allocated: Units,
    pub statuses: BTreeMap<String, Units>,
    pub holds: BTreeMap<String, (Units, HoldRow)>,
    pub allocations: BTreeMap<String, (Units, Option<UtcTime>)>,
    pub lots: BTreeMap<String, (Units, Option<String>)>,
    pub locations: BTreeMap<String, Units>,
    pub transfers: BTreeMap<String, (Units, String, String)>,
    pub serials: BTreeMap<String, SerialRow>,
    pub kit: Option<(String, Units)>,
    pub valuation: Option<Valuation>,
    pub class: Option<String>,
    pub version: u64,
    pub seen: VecDeque<(String, String)>,
    pub sequence: u64,
    pub last: Option<(u64, UtcTime)>,
    pub duplicates: u64,
    pub conflicts: u64,
    pub anomalies: u64,
}

impl Model {
    /// Nothing where the event would leave the range.
    pub fn step(&self, event: &Event<'_>, offset: u64, time: UtcTime) -> Option<(Self, Effect)> {
        let mut after = self.clone();
        after.last = Some((offset, event.envelope.time.unwrap_or(time)));
        let ours = event.envelope.source == OURS;
        let mut gap = false;
        match event.envelope.sequence {
            Some(sequence) if ours => {
                if sequence <= self.sequence {
                    after.duplicates += 1;
                    return Some((after, Effect::Duplicate));
                }
                gap = self.version > 0 && sequence - self.sequence > 1;
                after.sequence = sequence;
            }
            _ => {
                let identity = (event.envelope.source.to_string(), event.envelope.id.to_string());
                if self.seen.contains(&identity) {
                    after.duplicates += 1;
                    return Some((after, Effect::Duplicate));
                }
                after.seen.push_back(identity);
                if after.seen.len() > 16 {
                    after.seen.pop_front();
                }
            }
        }
        if ours && self.expiry_is_stale(&event.fact) {
            // Without a sequence an event of ours leaves no mark when passed over.
            after.seen = self.seen.clone();
            after.anomalies += 1;
            return Some((after, Effect::StaleExpiry { gap }));
        }
        let conflict = self.version > 0
            && match (&event.fact, ours) {
                (_, true) => event.envelope.based_on.is_some_and(|version| version != self.version),
                (Fact::LevelChanged(fact), false) => {
                    Units::from(fact.previous.on_hand) != self.on_hand
                        || fact.previous.allocated.is_some_and(|units| Units::from(units) != self.allocated)
                }
                _ => false,
            };
        let anomaly = after.apply(&event.fact);
        after.version += 1;
        after.conflicts += u64::from(conflict);
        after.anomalies += u64::from(anomaly);
        after.in_range().then_some((after, Effect::Applied { gap, conflict, anomaly }))
    }

    fn in_range(&self) -> bool {
        let sums = [
            self.on_hand,
            self.allocated,
            self.statuses.values().sum(),
            self.held(),
            self.named(),
            self.in_lots(),
            self.in_locations(),
            self.kit.as_ref().map_or(0, |kit| kit.1),
        ];
        sums.iter().all(|sum| (0..=MOST).contains(sum))
    }

    pub fn held(&self) -> Units {
        self.holds.values().map(|hold| hold.0).sum()
    }

    pub fn named(&self) -> Units {
        self.allocations.values().map(|allocation| allocation.0).sum()
    }

    pub fn in_lots(&self) -> Units {
        self.lots.values().map(|lot| lot.0).sum()
    }

    pub fn in_locations(&self) -> Units {
        self.locations.values().sum()
    }

    fn expiry_is_stale(&self, fact: &Fact<'_>) -> bool {
        match fact {
            Fact::HoldReleased(f) if f.released_by == "expiry" && f.expires_at.is_some() => {
                self.holds.get(&*f.hold_id).and_then(|hold| hold.1.expires_at) != f.expires_at
            }
            Fact::LevelChanged(f)
                if f.change_reason == "DEALLOCATION"
                    && f.expires_at.is_some()
                    && f.new.on_hand == f.previous.on_hand =>
            {
                f.allocation_id.as_ref().is_some_and(|id| {
                    self.allocations.get(&**id).and_then(|allocation| allocation.1) != f.expires_at
                })
            }
            _ => false,
        }
    }

    /// Whether it was an anomaly.
    fn apply(&mut self, fact: &Fact<'_>) -> bool {
        match fact {
            Fact::LevelChanged(f) => self.level_changed(f),
            Fact::StatusChanged(f) => {
                let wanted = units(f.quantity);
                let from = f.previous_status.to_string();
                let free = from == "AVAILABLE";
                let taken = if free { wanted } else { wanted.min(*self.statuses.get(&from).unwrap_or(&0)) };
                *self.statuses.entry(from).or_default() -= taken;
                *self.statuses.entry(f.new_status.to_string()).or_default() += taken;
                self.statuses.retain(|status, units| status != "AVAILABLE" && *units != 0);
                taken < wanted
            }
            Fact::HoldPlaced(f) => {
                let row = HoldRow {
                    hold_type: (&*f.hold_type).into(),
                    quantity: f.quantity,
                    reason: (&*f.reason).into(),
                    lot_number: f.lot_number.as_deref().map(Into::into),
                    expires_at: f.expires_at,
                };
                self.holds.insert(f.hold_id.to_string(), (units(f.quantity), row));
                self.holds.retain(|_, hold| hold.0 > 0);
                false
            }
            Fact::HoldReleased(f) => {
                let mut none = (0, hold_row());
                let hold = self.holds.get_mut(&*f.hold_id).unwrap_or(&mut none);
                let rest = hold.0 - units(f.quantity);
                hold.0 = rest.max(0);
                self.holds.retain(|_, hold| hold.0 > 0);
                rest < 0
            }
            Fact::ValuationChanged(f) => {
                self.valuation = Some(Valuation {
                    method: (&*f.valuation_method).into(),
                    unit_cost: f.new_unit_cost,
                    total_value: f.new_total_value,
                    valued_quantity: f.quantity,
                });
                false
            }
            Fact::ClassificationChanged(f) => {
                self.class = Some(f.new_class.to_string());
                false
            }
            Fact::TransferInitiated(f) => {
                let location = self.locations.entry(f.source_location.to_string()).or_default();
                *location = (*location - units(f.quantity)).max(0);
                self.locations.retain(|_, units| *units > 0);
                let row =
                    (units(f.quantity), f.source_location.to_string(), f.destination_location.to_string());
                let former = self.transfers.insert(f.transfer_id.to_string(), row);
                self.transfers.retain(|_, transfer| transfer.0 > 0);
                former.is_some()
            }
            Fact::TransferCompleted(f) => {
                let sent = self.transfers.remove(&*f.transfer_id).map(|transfer| transfer.0);
                let arrived = units(f.quantity).min(sent.unwrap_or(MOST));
                *self.locations.entry(f.to_location.to_string()).or_default() += arrived;
                self.locations.retain(|_, units| *units > 0);
                sent.is_none_or(|sent| units(f.quantity) > sent)
            }
            Fact::SerialReceived(f) => {
                let row = SerialRow {
                    state: SerialState::Received,
                    location_id: f.location_id.as_deref().map(Into::into),
                    lot_number: f.lot_number.as_deref().map(Into::into),
                    allocation_id: None,
                };
                self.serials.insert(f.serial_number.to_string(), row).is_some()
            }
            Fact::SerialAllocated(f) => {
                let former = self.serials.remove(&*f.serial_number);
                let anomaly = former.as_ref().is_none_or(|row| row.state != SerialState::Received);
                let (location_id, lot_number) =
                    former.map_or((None, None), |row| (row.location_id, row.lot_number));
                let allocation_id = f.allocation_id.as_deref().map(Into::into);
                let row = SerialRow { state: SerialState::Allocated, location_id, lot_number, allocation_id };
                self.serials.insert(f.serial_number.to_string(), row);
                anomaly
            }
            Fact::SerialShipped(f) => self.serials.remove(&*f.serial_number).is_none(),
            Fact::KitCreated(f) => {
                self.kit = Some((f.kit_name.to_string(), self.kit.as_ref().map_or(0, |kit| kit.1)));
                false
            }
            Fact::KitAssembled(f) => match &mut self.kit {
                Some(kit) => {
                    kit.1 += units(f.produced);
                    false
                }
                None => true,
            },
            Fact::KitDisassembled(f) => match &mut self.kit {
                Some(kit) => {
                    let rest = kit.1 - units(f.quantity);
                    kit.1 = rest.max(0);
                    rest < 0
                }
                None => true,
            },
            Fact::SnapshotCreated(_) => false,
        }
    }

    fn level_changed(&mut self, f: &LevelChanged<'_>) -> bool {
        let mut anomaly = f.new.on_hand < 0;
        let uncovered_before = (self.named() - self.allocated).max(0);
        let by = Units::from(f.new.on_hand) - Units::from(f.previous.on_hand);
        self.on_hand = f.new.on_hand.max(0).into();
        if let Some(id) = &f.location_id {
            let location = self.locations.entry(id.to_string()).or_default();
            *location = (*location + by).max(0);
            self.locations.retain(|_, units| *units > 0);
        }
        if let Some(id) = &f.lot_number {
            let lot = self.lots.entry(id.to_string()).or_default();
            lot.0 = (lot.0 + by).max(0);
            lot.1 = f.expiry_date.as_deref().map(str::to_owned).or(lot.1.take());
            self.lots.retain(|_, lot| lot.0 > 0);
        }
        if let Some(allocated) = f.new.allocated {
            anomaly |= allocated < 0;
            self.allocated = allocated.max(0).into();
            if let (Some(id), Some(previous)) = (&f.allocation_id, f.previous.allocated) {
                let by = Units::from(allocated) - Units::from(previous);
                let allocation = self.allocations.entry(id.to_string()).or_default();
                anomaly |= allocation.0 + by < 0;
                allocation.0 = (allocation.0 + by).max(0);
                if by > 0 && f.expires_at.is_some() {
                    allocation.1 = f.expires_at;
                }
                self.allocations.retain(|_, allocation| allocation.0 > 0);
            }
        }
        anomaly | ((self.named() - self.allocated).max(0) > uncovered_before)
    }
}

fn units(quantity: Quantity) -> Units {
    quantity.units().into()
}

fn hold_row() -> HoldRow {
    HoldRow {
        hold_type: "".into(),
        quantity: Quantity::ZERO,
        reason: "".into(),
        lot_number: None,
        expires_at: None,
    }
}
