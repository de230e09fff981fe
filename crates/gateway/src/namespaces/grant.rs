//! What a subscription has, of what it asks for.

use super::{Channel, DeltaType, RecoveryMode, Who};

/// What a subscribe request asks for. Whether it may be there at all is decided before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) positioned: bool,
    pub(crate) recoverable: bool,
    pub(crate) join_leave: bool,
    pub(crate) delta: Option<DeltaType>,
}

/// Options of a namespace that a token or a back end has otherwise for one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) presence: Option<bool>,
    pub(crate) join_leave: Option<bool>,
    pub(crate) force_push_join_leave: Option<bool>,
    pub(crate) force_recovery: Option<bool>,
    pub(crate) force_positioning: Option<bool>,
}

/// What a subscription has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    /// It knows where it stands, and a gap ends it.
    pub(crate) positioned: bool,
    /// It can come back to where it stood; then it is positioned as well.
    pub(crate) recoverable: bool,
    pub(crate) recovery_mode: RecoveryMode,
    /// It is counted among who is there.
    pub(crate) in_presence: bool,
    /// Others are told that it comes and goes.
    pub(crate) tells_join_leave: bool,
    /// It is told who comes and goes.
    pub(crate) hears_join_leave: bool,
    pub(crate) delta: Option<DeltaType>,
}

impl Channel<'_> {
    /// What this subscription has: what its namespace forces on it, and of what it asks for what it may have. `who` counts as
    /// subscribed.
    pub(crate) fn grant(&self, who: &Who<'_>, asked: Asked, overrides: Overrides) -> Granted {
        let options = &*self.namespace;
        let who = &Who { is_subscribed: true, ..*who };
        let has_history = options.history().is_some();
        let reads = self.has_history_access(who);
        let recoverable = overrides.force_recovery.unwrap_or(options.force_recovery)
            || (asked.recoverable && (options.allow_recovery || reads));
        let positioned = overrides.force_positioning.unwrap_or(options.force_positioning)
            || (asked.positioned && (options.allow_positioning || reads));
        let tells_join_leave = overrides.join_leave.unwrap_or(options.join_leave);
        let forced = overrides.force_push_join_leave.unwrap_or(options.force_push_join_leave);
        Granted {
            positioned: has_history && (positioned || recoverable),
            recoverable: has_history && recoverable,
            recovery_mode: options.force_recovery_mode,
            in_presence: overrides.presence.unwrap_or(options.presence),
            tells_join_leave,
            hears_join_leave: tells_join_leave
                && (forced || (asked.join_leave && self.has_presence_access(who))),
            delta: asked.delta.filter(|delta| options.allowed_delta_types.contains(delta)),
        }
    }
}
