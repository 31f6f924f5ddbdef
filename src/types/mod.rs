//! The words every other module speaks: SKUs, partitions, offsets, quantities, money, time.
//!
//! Nothing here depends on anything else of ours, does I/O, or reads a clock. Each type refuses values
//! outside its meaning when it is made, so that no later code has to look again.

mod money;
mod money_arithmetic;
mod partition;
mod position;
mod quantity;
mod record;
mod sku;
mod time;
mod topic;

pub use money::{InvalidMoney, Money};
pub use partition::{Partition, murmur2, partition_of};
pub use position::{InvalidPosition, NextOffset, Offset, Position};
pub use quantity::{Difference, InvalidQuantity, Quantity, Version};
pub use record::{Header, Headers, NewRecord, Record};
pub use sku::{InvalidSku, Sku};
pub use time::{InvalidTime, Timestamp, UtcTime};
pub use topic::Topic;
