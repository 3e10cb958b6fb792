//! A sorted map whose clones share all that is equal: what the node's tables are made of.
//!
//! A clone costs one count of a reference, whatever the map holds; the first change after it copies a path from the root,
//! some hundred bytes a level. So a step may keep the value before it, and a reader a snapshot, at a cost that does not grow
//! with channels, payments or history. Two clones are compared by what they do not share ([`SharedMap::differences`]).
//!
//! A B-tree: entries lie in leaves of at most `MAX_WIDTH`, all leaves are equally deep.

use core::fmt;
use differences::{Ahead, Walk};
use node::{Node, child_of};
use std::sync::Arc;

mod differences;
mod node;
#[cfg(test)]
mod tests;

pub use differences::Difference;

/// A sorted map with cheap clones.
pub struct SharedMap<K, V> {
    root: Node<K, V>,
    len: usize,
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are. Costs nothing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { pending: vec![&self.root], entries: [].iter() }
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return entries.binary_search_by(|(k, _)| k.cmp(key)).ok().map(|at| &entries[at].1);
                }
                Node::Branch(children) => node = &children[child_of(children, key)].1,
            }
        }
    }

    /// Whether there is a value of a key.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key, to change it: what is shared on the way to it is copied.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        // Nothing is copied for a key that is not there.
        self.get(key)?;
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                    return Arc::make_mut(entries).get_mut(at).map(|(_, value)| value);
                }
                Node::Branch(children) => {
                    let at = child_of(children, key);
                    node = &mut Arc::make_mut(children).get_mut(at)?.1;
                }
            }
        }
    }

    /// Sets a value; the one before it, if there was one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (before, right) = self.root.insert(key, value);
        if let Some((key, right)) = right {
            let left = core::mem::replace(&mut self.root, Node::Leaf(Arc::default()));
            let children = left.least().map(|least| vec![(least.clone(), left.clone()), (key, right)]);
            self.root = Node::Branch(Arc::new(children.expect("a half of a full node is not empty")));
        }
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes a value away.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        // Nothing is copied for a key that is not there.
        self.get(key)?;
        let removed = self.root.remove(key);
        self.len -= usize::from(removed.is_some());
        while let Node::Branch(children) = &self.root {
            self.root = match &children[..] {
                [] => Node::Leaf(Arc::default()),
                [(_, only)] => only.clone(),
                _ => break,
            };
        }
        removed
    }

    /// Entries from a key on, by key.
    pub fn iter_from<'a>(&'a self, from: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let mut pending = Vec::new();
        let mut node = &self.root;
        let entries = loop {
            match node {
                Node::Leaf(entries) => {
                    break entries[entries.partition_point(|(k, _)| k.cmp(from).is_lt())..].iter();
                }
                Node::Branch(children) => {
                    let at = child_of(children, from);
                    pending.extend(children[at + 1..].iter().rev().map(|(_, child)| child));
                    node = &children[at].1;
                }
            }
        };
        Iter { pending, entries }
    }

    /// The keys whose values differ, in order, with the value here and there. What both share is not looked at.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Difference<'a, K, V>>
    where
        V: PartialEq,
    {
        let side = |map: &'a Self| vec![Ahead::Node(None, &map.root)];
        let mut walk = Walk { here: side(self), there: side(other) };
        core::iter::from_fn(move || walk.next())
    }
}

/// Entries by key.
pub struct Iter<'a, K, V> {
    /// What comes after `entries`, the next last.
    pending: Vec<&'a Node<K, V>>,
    entries: core::slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.entries.next() {
                return Some((key, value));
            }
            match self.pending.pop()? {
                Node::Leaf(entries) => self.entries = entries.iter(),
                Node::Branch(children) => self.pending.extend(children.iter().rev().map(|(_, child)| child)),
            }
        }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.differences(other).next().is_none()
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<'a, K, V> IntoIterator for &'a SharedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
