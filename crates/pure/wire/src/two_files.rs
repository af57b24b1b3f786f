//! Two files where the protocol has room for one: an object, and the debug information that was
//! split off it.
//!
//! Only our client asks for that, and only of a server that said it can
//! ([`crate::Abilities::splits_debug`]): its reply has both in the place of the object, the
//! object's length in 8 bytes, little-endian, before them.

/// Both files as one.
#[must_use]
pub fn join_two_files(object: &[u8], debug: &[u8]) -> Vec<u8> {
    [&(object.len() as u64).to_le_bytes()[..], object, debug].concat()
}

/// The object and the debug information again; `None` when `bytes` are no such two.
#[must_use]
pub fn part_two_files(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_files_come_back_as_they_were(object: Vec<u8>, debug: Vec<u8>) {
            let joined = join_two_files(&object, &debug);
            prop_assert_eq!(part_two_files(&joined), Some((&object[..], &debug[..])));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Some((object, debug)) = part_two_files(&bytes) {
                prop_assert_eq!(join_two_files(object, debug), bytes);
            }
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_none() {
        assert_eq!(part_two_files(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(part_two_files(&[0xff; 9]), None);
        assert_eq!(part_two_files(b"short"), None);
    }
}
