use clap::Args;

use super::settings::flag;
use crate::config::Flag;

#[derive(Args, Clone)]
pub struct BrokerArgs {
    /// Kafka brokers, HOST:PORT separated by commas; also KAFKA_BOOTSTRAP_SERVERS. None = the embedded log.
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
}

impl BrokerArgs {
    pub fn flag(&self) -> Option<Flag> {
        flag("--brokers", "kafka.bootstrap_servers", self.brokers.as_ref())
    }
}
