//! How an object is cut into parts while nobody knows how large it will be.
//!
//! Parts grow in three equal stages, so that a few parts are small and many reach far: 16, 32, 64 MiB. A part is held in memory
//! until the service has it, so none is larger; an object that needs more than `max_parts` of them is cut into segments before
//! that, see [`largest`].

/// MiB of the parts of one stage.
const STAGES: [u64; 3] = [16, 32, 64];
/// MiB of parts on their way at once. Together with the one that fills, 48 MiB while parts are of 16.
pub(super) const IN_FLIGHT: usize = 32;
/// No service takes more in one object.
const LARGEST: u64 = 5 << 40;

/// Bytes of the part of that number, from 1 on.
pub(super) fn size(number: u16, max_parts: u16) -> usize {
    let stage = (u32::from(number.max(1)) - 1) * 3 / u32::from(max_parts.max(1));
    // at most 64 MiB
    usize::try_from(STAGES[usize::try_from(stage).map_or(2, |stage| stage.min(2))] << 20).unwrap_or(usize::MAX)
}

/// Bytes of the largest object.
pub(super) fn largest(max_parts: u16) -> u64 {
    (1..=max_parts).map(|number| size(number, max_parts) as u64).sum::<u64>().min(LARGEST)
}

/// Bytes of the largest object whose parts but the last are all of one size.
pub(super) fn even(max_parts: u16) -> u64 {
    let first = size(1, max_parts);
    (1..=max_parts).map(|number| size(number, max_parts)).take_while(|size| *size == first).map(|size| size as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_never_shrink() {
        for max_parts in [1, 2, 3, 4, 100, 1_000, 10_000] {
            let sizes: Vec<usize> = (1..=max_parts).map(|number| size(number, max_parts)).collect();
            assert!(sizes.is_sorted() && sizes[0] == 16 << 20 && sizes.iter().all(|size| *size <= 64 << 20), "{max_parts}");
            assert_eq!(largest(max_parts), sizes.iter().map(|size| *size as u64).sum::<u64>());
        }
    }

    #[test]
    fn a_thousand_parts_hold_a_segment_of_the_usual_size() {
        assert!(largest(1_000) > 16 << 30);
        assert!(largest(10_000) > 360 << 30);
        assert_eq!(largest(1), 16 << 20);
    }

    #[test]
    fn the_first_third_of_the_parts_are_of_one_size() {
        assert_eq!((even(1), even(3), even(1_000), even(10_000)), (16 << 20, 16 << 20, 334 * (16 << 20), 3_334 * (16 << 20)));
    }
}
