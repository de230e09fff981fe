//! What every broker is asked for: channels, and the ways to it.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use naru_broker::Storage;
use naru_bus::Target;

use crate::broker::{each, naru};
use crate::gateway::Gateway;

#[test]
fn all_servers_hear_a_channel_in_one_order_whichever_way_they_are_linked() {
    let (broker, port) = naru(Storage::Memory);
    let near = Gateway::up("near", Target::Embedded(Arc::new(broker.connector())));
    let far = Gateway::up("far", Target::Url(format!("redis://127.0.0.1:{port}")));
    for gateway in [&near, &far] {
        gateway.ask(async |bus| bus.subscribe("room").await.unwrap());
    }
    let heard = thread::scope(|scope| {
        for gateway in [&near, &far] {
            let bus = gateway.bus.clone();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for n in 0..200 {
                    let published = bus.publish("room", Bytes::from(n.to_string()));
                    assert_eq!(runtime.block_on(published), Ok(2));
                }
            });
        }
        [&near, &far].map(|gateway| (0..400).map(|_| gateway.heard()).collect::<Vec<_>>())
    });
    assert_eq!(heard[0], heard[1]);

    near.ask(async |bus| bus.unsubscribe("room").await.unwrap());
    assert_eq!(far.publish("room", "to one"), 1);
    far.ask(async |bus| bus.unsubscribe("room").await.unwrap());
    assert_eq!(near.publish("room", "to nobody"), 0);
    broker.stop();
}

#[test]
fn a_channel_is_heard_on_every_broker_by_those_who_want_it() {
    each(|broker| {
        let [first, second] = ["first", "second"].map(|name| Gateway::up(name, broker.target()));
        second.ask(async |bus| bus.subscribe("room").await.unwrap());
        assert_eq!(first.publish("room", "hi"), 1);
        assert_eq!(second.heard(), ("room".to_owned(), Bytes::from_static(b"hi")));
        second.ask(async |bus| bus.unsubscribe("room").await.unwrap());
        assert_eq!(first.publish("room", "to nobody"), 0);
    });
}
