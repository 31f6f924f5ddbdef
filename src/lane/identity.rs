/// Who a lane is, to the group and to the transaction coordinator. Stable over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LaneIdentity {
    /// Which of the process's lanes.
    pub lane: u16,
    /// The member's lasting name: instance and lane.
    pub instance: String,
    /// The two transactional ids that take turns.
    pub transactional: [String; 2],
}

impl LaneIdentity {
    /// `prefix` is the group's name: two groups on one cluster must not share ids.
    pub(super) fn new(prefix: &str, instance: &str, lane: u16) -> Self {
        let id = |turn: &str| format!("{prefix}-{instance}-{lane}-{turn}");
        Self { lane, instance: format!("{instance}-{lane}"), transactional: [id("a"), id("b")] }
    }
}
