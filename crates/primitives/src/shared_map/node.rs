//! One node of the tree: its place among others, and what keeps it wide enough.

use std::sync::Arc;

/// Entries of a leaf and children of a branch, at most. What a change after a clone copies grows with it, depth shrinks.
pub(super) const MAX_WIDTH: usize = 24;

/// A node that has fewer joins a neighbour, if both fit into three quarters of one.
const MIN_WIDTH: usize = MAX_WIDTH / 4;

/// A leaf with entries, or a branch with nodes; both shared.
pub(super) enum Node<K, V> {
    Leaf(Arc<Vec<(K, V)>>),
    /// Each child with a key that is not above its own keys, and above those of the child before it.
    Branch(Arc<Vec<(K, Node<K, V>)>>),
}

impl<K, V> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(entries) => Node::Leaf(Arc::clone(entries)),
            Node::Branch(children) => Node::Branch(Arc::clone(children)),
        }
    }
}

/// The child that has a key, if any has it.
pub(super) fn child_of<K: Ord, V>(children: &[(K, Node<K, V>)], key: &K) -> usize {
    children.partition_point(|(least, _)| least.cmp(key).is_le()).saturating_sub(1)
}

impl<K: Ord + Clone, V: Clone> Node<K, V> {
    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Branch(children) => children.len(),
        }
    }

    /// A key not above all others here.
    pub(super) fn least(&self) -> Option<&K> {
        match self {
            Node::Leaf(entries) => entries.first().map(|(key, _)| key),
            Node::Branch(children) => children.first().map(|(key, _)| key),
        }
    }

    /// The value before, and the right half if the node was full.
    pub(super) fn insert(&mut self, key: K, value: V) -> (Option<V>, Option<(K, Self)>) {
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

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
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

/// Whether two nodes share all that they hold.
pub(super) fn is_same<K, V>(one: &Node<K, V>, other: &Node<K, V>) -> bool {
    match (one, other) {
        (Node::Leaf(one), Node::Leaf(other)) => Arc::ptr_eq(one, other),
        (Node::Branch(one), Node::Branch(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
