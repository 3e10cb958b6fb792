//! A sorted map whose clones share all that is equal: what the node's tables are made of.
//!
//! A clone costs one count of a reference, whatever the map holds; the first change after it copies a path from the root,
//! some hundred bytes a level. So a step may keep the value before it, and a reader a snapshot, at a cost that does not grow
//! with channels, payments or history. Two clones are compared by what they do not share ([`SharedMap::differences`]).
//!
//! A B-tree: entries lie in leaves of at most `MAX_WIDTH`, all leaves are equally deep.

use core::fmt;
use std::sync::Arc;

/// Entries of a leaf and children of a branch, at most. What a change after a clone copies grows with it, depth shrinks.
const MAX_WIDTH: usize = 24;

/// A node that has fewer joins a neighbour, if both fit into three quarters of one.
const MIN_WIDTH: usize = MAX_WIDTH / 4;

/// A sorted map with cheap clones.
pub struct SharedMap<K, V> {
    root: Node<K, V>,
    len: usize,
}

enum Node<K, V> {
    Leaf(Arc<Vec<(K, V)>>),
    /// Each child with a key that is not above its own keys, and above those of the child before it.
    Branch(Arc<Vec<(K, Node<K, V>)>>),
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(entries) => Node::Leaf(Arc::clone(entries)),
            Node::Branch(children) => Node::Branch(Arc::clone(children)),
        }
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

    /// The entry with the least key.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// Entries from a key on, by key.
    pub fn iter_from<'a>(&'a self, from: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let mut pending = Vec::new();
        let mut node = &self.root;
        let entries = loop {
            match node {
                Node::Leaf(entries) => break entries[entries.partition_point(|(k, _)| k < from)..].iter(),
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

/// A key, its value in one map, and its value in another.
pub type Difference<'a, K, V> = (&'a K, Option<&'a V>, Option<&'a V>);

/// The child that has a key, if any has it.
fn child_of<K: Ord, V>(children: &[(K, Node<K, V>)], key: &K) -> usize {
    children.partition_point(|(least, _)| least <= key).saturating_sub(1)
}

impl<K: Ord + Clone, V: Clone> Node<K, V> {
    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Branch(children) => children.len(),
        }
    }

    /// A key not above all others here.
    fn least(&self) -> Option<&K> {
        match self {
            Node::Leaf(entries) => entries.first().map(|(key, _)| key),
            Node::Branch(children) => children.first().map(|(key, _)| key),
        }
    }

    /// The value before, and the right half if the node was full.
    fn insert(&mut self, key: K, value: V) -> (Option<V>, Option<(K, Self)>) {
        match self {
            Node::Leaf(entries) => {
                let place = entries.binary_search_by(|(k, _)| k.cmp(&key));
                let entries = Arc::make_mut(entries);
                match place {
                    Ok(at) => return (Some(core::mem::replace(&mut entries[at].1, value)), None),
                    Err(at) => entries.insert(at, (key, value)),
                }
                (None, halve(entries).map(|(key, right)| (key, Node::Leaf(Arc::new(right)))))
            }
            Node::Branch(children) => {
                let at = child_of(children, &key);
                let children = Arc::make_mut(children);
                if key < children[at].0 {
                    children[at].0 = key.clone();
                }
                let (before, right) = children[at].1.insert(key, value);
                if let Some(right) = right {
                    children.insert(at + 1, right);
                }
                (before, halve(children).map(|(key, right)| (key, Node::Branch(Arc::new(right)))))
            }
        }
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Node::Leaf(entries) => {
                let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                Some(Arc::make_mut(entries).remove(at).1)
            }
            Node::Branch(children) => {
                let at = child_of(children, key);
                let children = Arc::make_mut(children);
                let removed = children[at].1.remove(key);
                mend(children, at);
                removed
            }
        }
    }

    /// Appends what a right neighbour of the same depth has.
    fn append(&mut self, right: &Self) {
        match (self, right) {
            (Node::Leaf(entries), Node::Leaf(more)) => Arc::make_mut(entries).extend(more.iter().cloned()),
            (Node::Branch(children), Node::Branch(more)) => {
                Arc::make_mut(children).extend(more.iter().cloned());
            }
            _ => unreachable!("neighbours are equally deep"),
        }
    }
}

/// Takes the right half off a node that is too wide.
fn halve<K: Clone, T: Clone>(items: &mut Vec<(K, T)>) -> Option<(K, Vec<(K, T)>)> {
    if items.len() <= MAX_WIDTH {
        return None;
    }
    // Keys that only grow, as ids do, leave the left part nearly full.
    let right = items.split_off(MAX_WIDTH * 3 / 4);
    Some((right.first()?.0.clone(), right))
}

/// Joins a child that has become narrow with a neighbour, or drops it when it is empty.
fn mend<K: Ord + Clone, V: Clone>(children: &mut Vec<(K, Node<K, V>)>, at: usize) {
    let width = children[at].1.width();
    if width == 0 {
        children.remove(at);
        return;
    }
    if width >= MIN_WIDTH {
        return;
    }
    let left = if at + 1 < children.len() { at } else { at.saturating_sub(1) };
    if left + 1 >= children.len() {
        return;
    }
    if children[left].1.width() + children[left + 1].1.width() <= MAX_WIDTH * 3 / 4 {
        let (_, right) = children.remove(left + 1);
        children[left].1.append(&right);
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

/// What one side of a comparison has ahead.
enum Ahead<'a, K, V> {
    /// A node, with a key not above its own.
    Node(Option<&'a K>, &'a Node<K, V>),
    Entry(&'a K, &'a V),
}

/// Two maps, compared in step. The next of each is last.
struct Walk<'a, K, V> {
    here: Vec<Ahead<'a, K, V>>,
    there: Vec<Ahead<'a, K, V>>,
}

impl<'a, K: Ord + Clone, V: Clone + PartialEq> Walk<'a, K, V> {
    fn next(&mut self) -> Option<Difference<'a, K, V>> {
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

fn is_same<K, V>(one: &Node<K, V>, other: &Node<K, V>) -> bool {
    match (one, other) {
        (Node::Leaf(one), Node::Leaf(other)) => Arc::ptr_eq(one, other),
        (Node::Branch(one), Node::Branch(other)) => Arc::ptr_eq(one, other),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Numbers that look random, the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    fn depth<K, V>(node: &Node<K, V>) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Branch(children) => {
                let depths: Vec<usize> = children.iter().map(|(_, child)| depth(child)).collect();
                assert!(depths.windows(2).all(|pair| pair[0] == pair[1]), "leaves are equally deep");
                assert!((1..=MAX_WIDTH).contains(&children.len()));
                1 + depths[0]
            }
        }
    }

    fn assert_same(map: &SharedMap<u64, u64>, expected: &BTreeMap<u64, u64>) {
        assert_eq!(map.len(), expected.len());
        assert!(map.iter().eq(expected.iter()));
        depth(&map.root);
    }

    #[test]
    fn it_is_the_map_that_the_standard_library_would_be() {
        let (mut map, mut expected, mut numbers) = (SharedMap::new(), BTreeMap::new(), Numbers(1));
        for round in 0..20_000 {
            let (key, value) = (numbers.below(800), numbers.below(10));
            // It grows for a while, then shrinks.
            if numbers.below(100) < if round % 8_000 < 4_000 { 70 } else { 30 } {
                assert_eq!(map.insert(key, value), expected.insert(key, value));
            } else {
                assert_eq!(map.remove(&key), expected.remove(&key));
            }
            assert_eq!(map.get(&key), expected.get(&key));
            if round % 97 == 0 {
                assert_same(&map, &expected);
                assert!(map.iter_from(&key).eq(expected.range(key..)));
            }
        }
        for key in 0..800 {
            assert_eq!(map.get_mut(&key).map(std::mem::take), expected.get_mut(&key).map(std::mem::take));
            assert_eq!(map.remove(&key), expected.remove(&key));
        }
        assert!(map.is_empty());
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut map: SharedMap<u64, u64> = (0..1_000).map(|n| (n * 3, n)).collect();
        let before: BTreeMap<u64, u64> = map.iter().map(|(k, v)| (*k, *v)).collect();
        let snapshot = map.clone();
        let mut numbers = Numbers(2);
        for _ in 0..2_000 {
            map.insert(numbers.below(3_000), 7);
            map.remove(&numbers.below(3_000));
        }
        assert_same(&snapshot, &before);
        assert_ne!(map, snapshot);
    }

    #[test]
    fn differences_are_all_that_differs_and_nothing_else() {
        let mut numbers = Numbers(3);
        for changes in [0, 1, 5, 50, 500] {
            let old: SharedMap<u64, u64> = (0..900).map(|n| (n * 2, n)).collect();
            let mut new = old.clone();
            for _ in 0..changes {
                let key = numbers.below(1_900);
                if numbers.below(2) == 0 {
                    new.insert(key, numbers.below(900));
                } else {
                    new.remove(&key);
                }
            }
            let found: Vec<(u64, Option<u64>, Option<u64>)> =
                old.differences(&new).map(|(k, o, n)| (*k, o.copied(), n.copied())).collect();
            let expected: Vec<_> = (0..1_900)
                .map(|key| (key, old.get(&key).copied(), new.get(&key).copied()))
                .filter(|(_, o, n)| o != n)
                .collect();
            assert_eq!(found, expected);
            assert_eq!(old == new, expected.is_empty());
        }
    }

    #[test]
    fn what_is_shared_is_not_compared() {
        /// A value that must not be looked at.
        #[derive(Clone)]
        struct Untouchable;
        impl PartialEq for Untouchable {
            fn eq(&self, _: &Self) -> bool {
                panic!("it is shared")
            }
        }
        let map: SharedMap<u64, Untouchable> = (0..1_000).map(|n| (n, Untouchable)).collect();
        assert!(map == map.clone());
        let mut changed = map.clone();
        changed.remove(&1_500);
        assert!(changed == map);
    }
}
