//! Where the broker's users come from.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use naru_broker::{AclOptions, UserLine, UserSource};

/// What one source says of users.
#[derive(Args, Clone, Default)]
#[group(skip)]
pub(crate) struct Options {
    /// A file of users, in the syntax of Redis's aclfile; ACL LOAD reads it again, ACL SAVE writes it.
    #[arg(long, value_name = "FILE")]
    pub(super) aclfile: Option<PathBuf>,
    /// The `user` lines of a configuration file.
    #[arg(skip)]
    pub(super) users: Vec<UserLine>,
    /// Its `acl-pubsub-default`: whether new users may use all channels.
    #[arg(skip)]
    pub(super) all_channels: Option<bool>,
    /// Its `acllog-max-len`.
    #[arg(skip)]
    pub(super) log_len_max: Option<u64>,
}

impl Options {
    /// These, and what they leave open as `other` has it.
    pub(super) fn or(self, other: Options) -> Options {
        Options {
            aclfile: self.aclfile.or(other.aclfile),
            users: if self.users.is_empty() { other.users } else { self.users },
            all_channels: self.all_channels.or(other.all_channels),
            log_len_max: self.log_len_max.or(other.log_len_max),
        }
    }

    /// The same for the broker, unless they contradict each other.
    pub(super) fn options(&self) -> anyhow::Result<AclOptions> {
        // Redis's rule: ACL LOAD and ACL SAVE would forget the others.
        ensure!(
            self.aclfile.is_none() || self.users.is_empty(),
            "there are users in the configuration ({}) and an ACL file (aclfile) as well: put them all into one of \
             the two",
            self.users.first().map_or("", |user| &user.place),
        );
        let users = match &self.aclfile {
            Some(file) => UserSource::File(file.clone()),
            None if self.users.is_empty() => UserSource::Nowhere,
            None => UserSource::Lines(self.users.clone()),
        };
        Ok(AclOptions {
            users,
            all_channels: self.all_channels.unwrap_or(false),
            log_len_max: self.log_len_max,
        })
    }
}
