//! A log in a log: what a test's own log does not do itself, the one within does.

/// Methods of `Log` that are passed on to the field that is named first: `pass_on!(log: bounds, reader);`.
macro_rules! pass_on {
    ($log:ident: $($method:ident),+ $(,)?) => {
        $($crate::support::pass_on::pass_on_one!($log $method);)+
    };
}

macro_rules! pass_on_one {
    ($log:ident cluster_id) => {
        fn cluster_id(&self) -> Result<String, inventory_store::log::LogError> {
            self.$log.cluster_id()
        }
    };
    ($log:ident partitions) => {
        fn partitions(
            &self,
            topic: inventory_store::types::Topic,
        ) -> Result<u16, inventory_store::log::LogError> {
            self.$log.partitions(topic)
        }
    };
    ($log:ident bounds) => {
        fn bounds(
            &self,
            topic: inventory_store::types::Topic,
            partition: inventory_store::types::Partition,
        ) -> Result<inventory_store::log::Bounds, inventory_store::log::LogError> {
            self.$log.bounds(topic, partition)
        }
    };
    ($log:ident offset_at) => {
        fn offset_at(
            &self,
            topic: inventory_store::types::Topic,
            partition: inventory_store::types::Partition,
            time: inventory_store::types::Timestamp,
        ) -> Result<inventory_store::types::NextOffset, inventory_store::log::LogError> {
            self.$log.offset_at(topic, partition, time)
        }
    };
    ($log:ident committed) => {
        fn committed(
            &self,
            group: &str,
            partitions: &[inventory_store::types::Partition],
        ) -> Result<Vec<Option<inventory_store::log::Consumed>>, inventory_store::log::LogError> {
            self.$log.committed(group, partitions)
        }
    };
    ($log:ident reader) => {
        fn reader(
            &self,
            purpose: inventory_store::log::Purpose,
            from: &[inventory_store::log::Assignment],
        ) -> Result<Box<dyn inventory_store::log::Reader>, inventory_store::log::LogError> {
            self.$log.reader(purpose, from)
        }
    };
    ($log:ident appender) => {
        fn appender(
            &self,
        ) -> Result<Box<dyn inventory_store::log::Appender>, inventory_store::log::LogError> {
            self.$log.appender()
        }
    };
    ($log:ident transactor) => {
        fn transactor(
            &self,
            id: &str,
        ) -> Result<Box<dyn inventory_store::log::Transactor>, inventory_store::log::LogError> {
            self.$log.transactor(id)
        }
    };
    ($log:ident join) => {
        fn join(
            &self,
            group: &str,
            instance: &str,
        ) -> Result<Box<dyn inventory_store::log::Member>, inventory_store::log::LogError> {
            self.$log.join(group, instance)
        }
    };
    ($log:ident groups) => {
        fn unshared(
            &self,
            group: &str,
        ) -> Result<Vec<inventory_store::types::Partition>, inventory_store::log::LogError> {
            self.$log.unshared(group)
        }

        fn share_again(&self, group: &str) -> Result<(), inventory_store::log::LogError> {
            self.$log.share_again(group)
        }
    };
    ($log:ident topics) => {
        fn describe(
            &self,
            topic: inventory_store::types::Topic,
        ) -> Result<Option<inventory_store::log::TopicDescription>, inventory_store::log::LogError> {
            self.$log.describe(topic)
        }

        fn create(
            &self,
            topic: inventory_store::types::Topic,
            want: &inventory_store::log::TopicDescription,
        ) -> Result<(), inventory_store::log::LogError> {
            self.$log.create(topic, want)
        }
    };
}

pub(crate) use {pass_on, pass_on_one};
