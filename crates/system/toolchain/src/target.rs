//! The names of targets.

/// Words in the place of a target's vendor that mean the same machine.
const VENDORS: [&str; 9] =
    ["pc", "unknown", "none", "redhat", "suse", "alpine", "gentoo", "slackware", "distcc"];

/// Whether two names are of the same target: equal, or equal but for the vendor, as
/// `x86_64-pc-linux-gnu` and `x86_64-linux-gnu`. The processor has to be the same word:
/// `armv7l-...` and `arm-...` are compilers with other defaults.
#[must_use]
pub fn is_same_target(one: &str, other: &str) -> bool {
    one == other || without_vendor(one).eq(without_vendor(other))
}

fn without_vendor(target: &str) -> impl Iterator<Item = &str> {
    let n_parts = target.split('-').count();
    target
        .split('-')
        .enumerate()
        .filter(move |(index, part)| !(*index == 1 && n_parts > 2 && VENDORS.contains(part)))
        .map(|(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_makes_no_other_target() {
        let check = |one, other, expected| {
            assert_eq!(is_same_target(one, other), expected, "{one} {other}");
            assert_eq!(is_same_target(other, one), expected, "{other} {one}");
        };
        check("x86_64-pc-linux-gnu", "x86_64-linux-gnu", true);
        check("aarch64-unknown-linux-gnu", "aarch64-linux-gnu", true);
        check("x86_64-redhat-linux-gnu", "x86_64-unknown-linux-gnu", true);
        check("aarch64-linux-gnu", "x86_64-linux-gnu", false);
        check("arm-linux-gnueabihf", "arm-linux-gnueabi", false);
        check("armv7l-unknown-linux-gnueabihf", "arm-linux-gnueabihf", false);
        check("x86_64-linux-musl", "x86_64-linux-gnu", false);
        // Without a system behind it, the word is the system.
        check("arm-none-eabi", "arm-eabi", true);
        check("aarch64-none", "aarch64", false);
        check("", "x86_64", false);
    }
}
