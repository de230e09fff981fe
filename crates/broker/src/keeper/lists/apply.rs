use crate::{
    keyspace::{Body, Keyspace, Place, WrongType},
    lists::{Element, List, ListChange},
};

/// Makes a change of a list, whose record begins at the address given.
pub(in crate::keeper) fn apply(
    keyspace: &mut Keyspace,
    key: &[u8],
    change: ListChange,
    record: u64,
    freed: &mut impl FnMut(Place),
) -> Result<(), WrongType> {
    if let ListChange::Pushed { end, elements } = change {
        let list = keyspace.value_or_new::<List>(key)?;
        elements.into_iter().for_each(|element| list.push(end, element_of(element, record)));
        return Ok(());
    }
    let Some(list) = keyspace.value_mut::<List>(key)? else { return Ok(()) };
    let mut free = |element: Option<Element>| {
        element.and_then(|element| element.place()).into_iter().for_each(&mut *freed);
    };
    match change {
        ListChange::Pushed { .. } => {}
        ListChange::Popped { end, count } => {
            (0..count.min(list.len() as u64)).for_each(|_| free(list.pop(end)));
        }
        ListChange::Set { index, element } => free(list.set(index as usize, element_of(element, record))),
        ListChange::Inserted { index, element } => list.insert(index as usize, element_of(element, record)),
        ListChange::Removed { indexes } => list.remove(&indexes, |element| free(Some(element))),
    }
    if list.is_empty() {
        keyspace.remove(key);
    }
    Ok(())
}

fn element_of(body: Body, record: u64) -> Element {
    match body {
        Body::Recorded(spot) => Element::stored(spot.in_record(record)),
        Body::Short(text) | Body::New(text) => {
            Element::inline(&text).expect("what is not recorded is short enough to be kept here")
        }
    }
}
