use bytes::Bytes;

use crate::{
    keeper::bodies::Bodies,
    keyspace::{Keyspace, WrongType},
    lists::{Element, List, ListChange},
};

/// Makes a change of a list.
pub(in crate::keeper) fn apply(
    keyspace: &mut Keyspace,
    bodies: &mut Bodies,
    key: &[u8],
    change: ListChange,
) -> Result<(), WrongType> {
    if let ListChange::Pushed { end, elements } = change {
        let list = keyspace.value_or_new::<List>(key)?;
        elements.into_iter().for_each(|element| list.push(end, keep(bodies, element)));
        return Ok(());
    }
    let Some(list) = keyspace.value_mut::<List>(key)? else { return Ok(()) };
    match change {
        ListChange::Pushed { .. } => {}
        ListChange::Popped { end, count } => {
            for _ in 0..count {
                free(bodies, list.pop(end));
            }
        }
        ListChange::Set { index, element } => {
            let element = keep(bodies, element);
            free(bodies, list.set(index as usize, element));
        }
        ListChange::Inserted { index, element } => list.insert(index as usize, keep(bodies, element)),
        ListChange::Removed { indexes } => list.remove(&indexes, |element| free(bodies, Some(element))),
    }
    if list.is_empty() {
        keyspace.remove(key);
    }
    Ok(())
}

fn keep(bodies: &mut Bodies, element: Bytes) -> Element {
    Element::inline(&element).unwrap_or_else(|| Element::stored(bodies.write(element)))
}

fn free(bodies: &mut Bodies, element: Option<Element>) {
    if let Some(place) = element.and_then(|element| element.place()) {
        bodies.free(place);
    }
}
