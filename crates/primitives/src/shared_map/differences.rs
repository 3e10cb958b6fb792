//! Two maps, compared by what they do not share.

use super::node::{Node, is_same};

/// A key, its value in one map, and its value in another.
pub type Difference<'a, K, V> = (&'a K, Option<&'a V>, Option<&'a V>);

/// What one side of a comparison has ahead.
pub(super) enum Ahead<'a, K, V> {
    /// A node, with a key not above its own.
    Node(Option<&'a K>, &'a Node<K, V>),
    Entry(&'a K, &'a V),
}

/// Two maps, compared in step. The next of each is last.
pub(super) struct Walk<'a, K, V> {
    pub(super) here: Vec<Ahead<'a, K, V>>,
    pub(super) there: Vec<Ahead<'a, K, V>>,
}

impl<'a, K: Ord + Clone, V: Clone + PartialEq> Walk<'a, K, V> {
    /// The next key whose values differ.
    pub(super) fn next(&mut self) -> Option<Difference<'a, K, V>> {
        loop {
            match (self.here.last(), self.there.last()) {
                (None, None) => return None,
                (Some(Ahead::Node(..)), None) => open(&mut self.here),
                (None, Some(Ahead::Node(..))) => open(&mut self.there),
                (Some(Ahead::Node(_, one)), Some(Ahead::Node(_, other))) => match (one, other) {
                    _ if is_same(one, other) => {
                        self.here.pop();
                        self.there.pop();
                    }
                    (Node::Branch(_), Node::Leaf(_)) => open(&mut self.here),
                    (Node::Leaf(_), Node::Branch(_)) => open(&mut self.there),
                    _ => {
                        open(&mut self.here);
                        open(&mut self.there);
                    }
                },
                (Some(Ahead::Node(least, _)), Some(Ahead::Entry(key, _)))
                    if least.is_none_or(|l| l <= *key) =>
                {
                    open(&mut self.here);
                }
                (Some(Ahead::Entry(key, _)), Some(Ahead::Node(least, _)))
                    if least.is_none_or(|l| l <= *key) =>
                {
                    open(&mut self.there);
                }
                (Some(Ahead::Entry(key, here)), Some(Ahead::Entry(other, there))) if key == other => {
                    let difference = (here != there).then_some((*key, Some(*here), Some(*there)));
                    self.here.pop();
                    self.there.pop();
                    if difference.is_some() {
                        return difference;
                    }
                }
                (Some(Ahead::Entry(key, value)), None | Some(Ahead::Node(..))) => {
                    let difference = (*key, Some(*value), None);
                    self.here.pop();
                    return Some(difference);
                }
                (Some(Ahead::Entry(key, value)), Some(Ahead::Entry(other, _))) if key < other => {
                    let difference = (*key, Some(*value), None);
                    self.here.pop();
                    return Some(difference);
                }
                (_, Some(Ahead::Entry(key, value))) => {
                    let difference = (*key, None, Some(*value));
                    self.there.pop();
                    return Some(difference);
                }
            }
        }
    }
}

/// Puts what a node holds in its place.
fn open<'a, K, V>(side: &mut Vec<Ahead<'a, K, V>>) {
    match side.pop() {
        Some(Ahead::Node(_, Node::Leaf(entries))) => {
            side.extend(entries.iter().rev().map(|(key, value)| Ahead::Entry(key, value)));
        }
        Some(Ahead::Node(_, Node::Branch(children))) => {
            side.extend(children.iter().rev().map(|(key, child)| Ahead::Node(Some(key), child)));
        }
        Some(entry @ Ahead::Entry(..)) => side.push(entry),
        None => {}
    }
}
