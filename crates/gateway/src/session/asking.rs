//! Asking the application about what this client wants: which commands do, and one after the other.

use std::{cell::OnceCell, rc::Rc, sync::Arc};

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Later, Session};
use crate::{
    codes::Failure,
    protocol::{
        command::{Request, RpcRequest},
        reply::{Outcome, RpcResult},
    },
    proxy::Caller,
    rpc,
};

/// Keeps a client's questions in order, and one client from having many under way. Made when there is the first.
#[derive(Default)]
pub(super) struct Asking(OnceCell<Arc<Semaphore>>);

impl Asking {
    /// Waits for the turn of the next question. Turns come in the order in which they are waited for.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        let turns = self.0.get_or_init(|| Arc::new(Semaphore::new(1))).clone();
        turns.acquire_owned().await.expect("the semaphore is never closed")
    }
}

impl Session {
    /// This client, as hooks are told of it. `meta` is [`Session::meta`], which is held while they are asked.
    pub(super) fn caller<'a>(&'a self, meta: Option<&'a RawValue>) -> Caller<'a> {
        Caller {
            client: self.client(),
            flavour: self.flavour,
            user: Some(self.user_name()),
            meta,
            heard: &self.heard,
        }
    }

    /// What the application wants kept beside the connection.
    pub(super) fn meta(&self) -> Option<Rc<RawValue>> {
        self.connected.get()?.claims.meta()
    }

    /// Whether the application is asked before the broker. Connecting and subscribing have the session to themselves anyway.
    pub(super) fn asks_application(&self, request: &Request) -> bool {
        match request {
            Request::Publish(publish) => self.is_hooked(&publish.channel),
            Request::Rpc(rpc) => rpc::asks_application(self, rpc),
            _ => false,
        }
    }

    /// Calls a method that is the application's.
    pub(crate) fn call_application(self: &Rc<Self>, rpc: &RpcRequest) -> Later {
        let (session, rpc) = (self.clone(), rpc.clone());
        Box::pin(async move {
            let _turn = session.asking.turn().await;
            let meta = session.meta();
            let caller = session.caller(meta.as_deref());
            let data = session.shared().backend.rpc(caller, &rpc.method, &rpc.data).await?;
            let data = data.map(|data| session.said(&data)).transpose()?.unwrap_or_default();
            Ok::<_, Failure>(Outcome::Rpc(RpcResult { data }))
        })
    }
}
