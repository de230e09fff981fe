use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Element, End};
use crate::keyspace::Place;

/// Elements of one chunk: a long list grows by a chunk at a time, so that no growing takes long.
const CHUNK_ELEMENTS_MAX: usize = 256;

/// Elements in a row. No chunk is empty, and `len` is the sum of their lengths.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct List {
    /// Shared with a copy of the list until one of the two changes them.
    chunks: VecDeque<Arc<VecDeque<Element>>>,
    len: usize,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element and the last.
    pub(crate) fn ends(&self) -> [Option<&Element>; 2] {
        let (first, last) = (self.chunks.front(), self.chunks.back());
        [first.and_then(|chunk| chunk.front()), last.and_then(|chunk| chunk.back())]
    }

    pub(crate) fn push(&mut self, end: End, element: Element) {
        let outermost = match end {
            End::Left => self.chunks.front_mut(),
            End::Right => self.chunks.back_mut(),
        };
        match outermost.filter(|chunk| chunk.len() < CHUNK_ELEMENTS_MAX) {
            Some(chunk) => put(Arc::make_mut(chunk), end, element),
            None => {
                // The first chunk of a short list takes little.
                let room = if self.chunks.is_empty() { 1 } else { CHUNK_ELEMENTS_MAX };
                let mut chunk = VecDeque::with_capacity(room);
                chunk.push_back(element);
                if self.chunks.capacity() == 0 {
                    self.chunks.reserve_exact(1);
                }
                put(&mut self.chunks, end, Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    pub(crate) fn pop(&mut self, end: End) -> Option<Element> {
        let (outermost, element);
        match end {
            End::Left => {
                outermost = Arc::make_mut(self.chunks.front_mut()?);
                element = outermost.pop_front();
            }
            End::Right => {
                outermost = Arc::make_mut(self.chunks.back_mut()?);
                element = outermost.pop_back();
            }
        }
        if outermost.is_empty() {
            match end {
                End::Left => self.chunks.pop_front(),
                End::Right => self.chunks.pop_back(),
            };
        }
        self.len -= usize::from(element.is_some());
        element
    }

    pub(crate) fn get(&self, index: usize) -> Option<Element> {
        let (chunk, at) = self.locate(index)?;
        self.chunks.get(chunk)?.get(at).copied()
    }

    /// Puts another element in the place of one, which it gives back; none if there is no such.
    pub(crate) fn set(&mut self, index: usize, element: Element) -> Option<Element> {
        let (chunk, at) = self.locate(index)?;
        let place = Arc::make_mut(self.chunks.get_mut(chunk)?).get_mut(at)?;
        Some(std::mem::replace(place, element))
    }

    /// Puts one before the element there, or at the end.
    pub(crate) fn insert(&mut self, index: usize, element: Element) {
        let Some((number, at)) = self.locate(index) else { return self.push(End::Right, element) };
        let chunk = Arc::make_mut(&mut self.chunks[number]);
        chunk.insert(at, element);
        self.len += 1;
        if chunk.len() > CHUNK_ELEMENTS_MAX {
            let behind = chunk.split_off(CHUNK_ELEMENTS_MAX / 2);
            self.chunks.insert(number + 1, Arc::new(behind));
        }
    }

    /// Takes away the elements at `indexes`, which rise; gives each to `gone`.
    pub(crate) fn remove(&mut self, indexes: &[u64], mut gone: impl FnMut(Element)) {
        let mut index = 0;
        let mut wanted = indexes.iter().copied().peekable();
        for chunk in &mut self.chunks {
            let end = index + chunk.len() as u64;
            match wanted.peek() {
                None => break,
                Some(next) if *next >= end => {
                    index = end;
                    continue;
                }
                Some(_) => {}
            }
            Arc::make_mut(chunk).retain(|element| {
                let is_it = wanted.next_if_eq(&index).is_some();
                index += 1;
                if is_it {
                    gone(*element);
                }
                !is_it
            });
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.len = self.chunks.iter().map(|chunk| chunk.len()).sum();
    }

    /// Takes away the first chunk; its elements.
    pub(crate) fn take_chunk(&mut self) -> Option<Arc<VecDeque<Element>>> {
        let chunk = self.chunks.pop_front()?;
        self.len -= chunk.len();
        Some(chunk)
    }

    /// The elements from an index on.
    pub(crate) fn from(&self, index: usize) -> impl Iterator<Item = Element> + '_ {
        let (chunk, at) = self.locate(index).unwrap_or((self.chunks.len(), 0));
        self.chunks.range(chunk..).flat_map(|chunk| chunk.iter()).skip(at).copied()
    }

    /// All elements, the last first.
    pub(crate) fn reversed(&self) -> impl Iterator<Item = Element> + '_ {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev()).copied()
    }

    /// Whether one that was read back can have come to be as lists do.
    pub(crate) fn is_sound(&self) -> bool {
        let is_whole = |element: &Element| element.place().is_some() || element.as_inline().is_some();
        self.len > 0
            && self.len == self.chunks.iter().map(|chunk| chunk.len()).sum::<usize>()
            && self.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.iter().all(is_whole))
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let room = self.chunks.iter().map(|chunk| chunk.capacity()).sum::<usize>();
        size_of::<List>() + self.chunks.len() * size_of::<VecDeque<Element>>() + room * size_of::<Element>()
    }

    /// Every body it refers to.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.from(0).filter_map(|element| element.place())
    }

    /// The chunk that an element is in, and its index there. It is looked for from the nearer end.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut start = 0;
            for (number, chunk) in self.chunks.iter().enumerate() {
                if index < start + chunk.len() {
                    return Some((number, index - start));
                }
                start += chunk.len();
            }
            return None;
        }
        let mut start = self.len;
        for (number, chunk) in self.chunks.iter().enumerate().rev() {
            start -= chunk.len();
            if index >= start {
                return Some((number, index - start));
            }
        }
        None
    }
}

fn put<T>(row: &mut VecDeque<T>, end: End, item: T) {
    match end {
        End::Left => row.push_front(item),
        End::Right => row.push_back(item),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(number: u32) -> Element {
        if number.is_multiple_of(3) {
            Element::Stored { bytes: number, address: u64::from(number) }
        } else {
            Element::inline(number.to_string().as_bytes()).unwrap()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(End, usize),
        Pop(End, usize),
        Set(usize),
        Insert(usize),
        Remove(Vec<usize>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let end = || prop_oneof![Just(End::Left), Just(End::Right)];
        prop_oneof![
            4 => (end(), 1..700usize).prop_map(|(end, count)| Step::Push(end, count)),
            2 => (end(), 1..500usize).prop_map(|(end, count)| Step::Pop(end, count)),
            1 => any::<usize>().prop_map(Step::Set),
            4 => any::<usize>().prop_map(Step::Insert),
            1 => prop::collection::vec(any::<usize>(), 1..300).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn a_list_is_what_a_simple_row_is(steps in prop::collection::vec(step(), 1..40), seed: usize) {
            let (mut list, mut row) = (List::default(), VecDeque::new());
            let mut next = 0;
            let mut fresh = || { next += 1; element(next) };
            for step in steps {
                match step {
                    Step::Push(end, count) => for _ in 0..count {
                        let element = fresh();
                        list.push(end, element);
                        put(&mut row, end, element);
                    },
                    Step::Pop(end, count) => for _ in 0..count {
                        let wanted = match end { End::Left => row.pop_front(), End::Right => row.pop_back() };
                        prop_assert_eq!(list.pop(end), wanted);
                    },
                    Step::Set(at) if !row.is_empty() => {
                        let (at, element) = (at % row.len(), fresh());
                        prop_assert_eq!(list.set(at, element), Some(std::mem::replace(&mut row[at], element)));
                    }
                    Step::Insert(at) => {
                        let (at, element) = (at % (row.len() + 1), fresh());
                        list.insert(at, element);
                        row.insert(at, element);
                    }
                    Step::Remove(at) if !row.is_empty() => {
                        let mut at: Vec<u64> = at.iter().map(|at| (at % row.len()) as u64).collect();
                        at.sort_unstable();
                        at.dedup();
                        let mut gone = Vec::new();
                        list.remove(&at, |element| gone.push(element));
                        let wanted: Vec<_> = at.iter().map(|at| row[*at as usize]).collect();
                        prop_assert_eq!(gone, wanted);
                        for at in at.iter().rev() {
                            row.remove(*at as usize);
                        }
                    }
                    Step::Set(_) | Step::Remove(_) => {}
                }
                prop_assert_eq!(list.len(), row.len());
                prop_assert_eq!(list.is_empty(), row.is_empty());
                prop_assert!(list.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_ELEMENTS_MAX));
                let at = seed % (row.len() + 1);
                prop_assert_eq!(list.get(at), row.get(at).copied());
                prop_assert!(list.from(at).eq(row.range(at..).copied()));
            }
            prop_assert!(list.reversed().eq(row.iter().rev().copied()));
            prop_assert_eq!(list.places().count(), row.iter().filter(|element| element.place().is_some()).count());
        }
    }
}
