//! What the targets share: reading an input as a message of one of several kinds.

/// The first byte picks one of `kinds`, the rest is its payload. `a` is the first kind, so that seeds can be made with
/// `printf`.
pub fn pick<'a, T>(input: &'a [u8], kinds: &'a [T]) -> Option<(&'a T, &'a [u8])> {
    let (first, payload) = input.split_first()?;
    let kind = kinds.get(usize::from(first.wrapping_sub(b'a')) % kinds.len().max(1))?;
    Some((kind, payload))
}
