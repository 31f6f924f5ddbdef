use crate::log::Log;
use crate::types::Partition;

/// Sees that every partition of the commands topic is given to a member of the group, and has the group share out
/// again where one stays with nobody.
#[derive(Default)]
pub(super) struct Sharing {
    /// Given to nobody at the last look: perhaps on their way between two members.
    before: Vec<Partition>,
}

impl Sharing {
    /// Looks once. What was with nobody at two looks in turn is shared out.
    pub(super) fn look(&mut self, log: &dyn Log, group: &str) {
        let now = match log.unshared(group) {
            Ok(unshared) => unshared,
            // Whoever serves the partitions tells of a log that does not answer.
            Err(error) => return tracing::debug!(%error, "the group's members are not known"),
        };
        let stuck: Vec<u16> =
            now.iter().filter(|partition| self.before.contains(partition)).map(|p| p.0).collect();
        self.before = now;
        if stuck.is_empty() {
            return;
        }
        tracing::warn!(group, partitions = ?stuck, "the group has given these to no member; it is made to share out again");
        self.before.clear();
        if let Err(error) = log.share_again(group) {
            tracing::warn!(group, %error, "the group does not share out again yet");
        }
    }
}
