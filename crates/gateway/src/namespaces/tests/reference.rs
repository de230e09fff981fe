//! The rights once more, as plainly as can be: a list of rules, of which one has to hold. No grant without a rule.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A channel, its options as they are written, and who asks.
#[derive(Debug)]
struct Case {
    name: String,
    options: Value,
    user: &'static str,
    is_subscribed: bool,
    has_token: bool,
    caps: Caps,
}

impl Case {
    fn is(&self, option: &str) -> bool {
        self.options[option] == true
    }

    fn is_private(&self) -> bool {
        self.name.starts_with('$')
    }

    fn has_list(&self) -> bool {
        self.name.contains('#')
    }

    fn is_listed(&self) -> bool {
        let list = self.name.rsplit('#').next().unwrap();
        self.has_list() && !self.user.is_empty() && list.split(',').any(|listed| listed == self.user)
    }

    /// Signed in, or the anonymous are let do this too.
    fn counts(&self, right: &str) -> bool {
        !self.user.is_empty() || self.is(&format!("allow_{right}_for_anonymous"))
    }

    /// The rules of subscribing: by token, by rule, by hook.
    fn subscribe(&self) -> [bool; 3] {
        let hook = self.is("subscribe_proxy_enabled");
        let limited = self.is("allow_user_limited_channels");
        let rules = [
            self.caps.subscribe,
            !self.is_private() && limited && self.is_listed(),
            !self.is_private()
                && !self.has_list()
                && !hook
                && self.is("allow_subscribe_for_client")
                && self.counts("subscribe"),
        ];
        let is_decided = self.has_token || self.caps.subscribe;
        let is_another_matter = self.is_private() || (limited && self.has_list());
        [self.has_token, !self.has_token && rules.contains(&true), hook && !is_decided && !is_another_matter]
    }

    /// The rules of anything else but hooks.
    fn may(&self, right: &str, is_capable: bool) -> bool {
        let client = self.is(&format!("allow_{right}_for_client"));
        let subscriber = self.is(&format!("allow_{right}_for_subscriber"));
        let rules = [
            is_capable,
            client && self.counts(right) && self.is_subscribed,
            client && self.counts(right) && !self.is_private() && !self.has_list(),
            client
                && self.counts(right)
                && !self.is_private()
                && self.is("allow_user_limited_channels")
                && self.is_listed(),
            subscriber && self.counts(right) && self.is_subscribed,
        ];
        rules.contains(&true)
    }
}

/// Options that go together, out of any.
fn options() -> impl Strategy<Value = Value> {
    proptest::collection::vec(any::<bool>(), 17).prop_map(|is| {
        let history = is[0];
        let presence = is[1];
        let anonymous = |wanted: bool, client: bool, subscriber: bool| wanted && (client || subscriber);
        json!({
            "name": "ns",
            "history_size": u32::from(history),
            "history_ttl": if history { "1h" } else { "0s" },
            "presence": presence,
            "allow_user_limited_channels": is[2],
            "subscribe_proxy_enabled": is[3],
            "publish_proxy_enabled": is[4],
            "allow_subscribe_for_client": is[5],
            "allow_subscribe_for_anonymous": anonymous(is[6], is[5], false),
            "allow_publish_for_client": is[7],
            "allow_publish_for_subscriber": is[8],
            "allow_publish_for_anonymous": anonymous(is[9], is[7], is[8]),
            "allow_history_for_client": history && is[10],
            "allow_history_for_subscriber": history && is[11],
            "allow_history_for_anonymous": anonymous(history && is[12], is[10], is[11]),
            "allow_presence_for_client": presence && is[13],
            "allow_presence_for_subscriber": presence && is[14],
            "allow_presence_for_anonymous": anonymous(presence && is[15], is[13], is[14]),
            "allow_recovery": history && is[16],
        })
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let names = prop_oneof![
        Just("ns:x".to_owned()),
        Just("$ns:x".to_owned()),
        "[$]?ns:[x:]{0,2}#[12,#]{0,4}",
        "ns:[a-z$:]{0,5}",
    ];
    let who = (prop::sample::select(vec!["", "1", "2", "1,2"]), any::<[bool; 6]>());
    (names, options(), who).prop_map(|(name, options, (user, is))| Case {
        name,
        options,
        user,
        is_subscribed: is[0],
        has_token: is[1],
        caps: Caps { subscribe: is[2], publish: is[3], presence: is[4], history: is[5] },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn nothing_is_granted_without_a_rule_and_nothing_withheld_with_one(case in cases()) {
        let namespaces = namespaces(json!({"namespaces": [case.options]}));
        let channel = namespaces.find_for_client(&case.name).unwrap();
        let who = Who { user: case.user, is_subscribed: case.is_subscribed, caps: case.caps };

        let subscribe = code(channel.may_subscribe(&who, case.has_token));
        let by = [
            subscribe == Ok(By::Token),
            subscribe == Ok(By::Rule),
            matches!(subscribe, Ok(By::Hook(_))),
        ];
        prop_assert_eq!(by, case.subscribe(), "subscribe");
        prop_assert!(by.contains(&true) || subscribe == Err(Code::PermissionDenied));

        let publish = code(channel.may_publish(&who));
        let hook = case.is("publish_proxy_enabled") && !case.caps.publish;
        prop_assert_eq!(matches!(publish, Ok(By::Hook(_))), hook, "publish by hook");
        prop_assert_eq!(publish == Ok(By::Rule), !hook && case.may("publish", case.caps.publish), "publish");

        let has_history = case.options["history_size"] == 1;
        let history = code(channel.may_read_history(&who));
        prop_assert_eq!(history == Err(Code::NotAvailable), !has_history);
        prop_assert_eq!(history.is_ok(), has_history && case.may("history", case.caps.history), "history");

        let presence = code(channel.may_see_presence(&who));
        prop_assert_eq!(presence == Err(Code::NotAvailable), !case.is("presence"));
        prop_assert_eq!(
            presence.is_ok(),
            case.is("presence") && case.may("presence", case.caps.presence),
            "presence"
        );

        let granted = channel.grant(&who, everything(), Overrides::default());
        let inside = Case { is_subscribed: true, ..case };
        let recovers = has_history && (inside.is("allow_recovery") || inside.may("history", inside.caps.history));
        prop_assert_eq!(granted.recoverable, recovers, "recoverable");
        prop_assert!(!granted.recoverable || granted.positioned);
        prop_assert!(!granted.hears_join_leave, "nobody switched it on");
        prop_assert_eq!(granted.delta, None, "nobody allowed it");
    }
}
