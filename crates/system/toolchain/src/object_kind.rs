//! What an object file is for, and which compiler made it.

use std::fmt;

/// What kind of object a file is: what has to agree before one can take another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// ELF, as on Linux and the BSDs.
    Elf {
        /// 32 or 64 bits.
        word: Word,
        /// Whether numbers have their highest byte first.
        big_endian: bool,
        /// `e_machine`: 62 is x86-64, 183 aarch64.
        machine: u16,
    },
    /// Mach-O, as on macOS.
    MachO {
        /// The CPU type.
        cpu: u32,
    },
    /// COFF, as on Windows.
    Coff {
        /// The machine.
        machine: u16,
    },
    /// LLVM bitcode.
    Bitcode,
    /// WebAssembly.
    Wasm,
}

/// The size of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// 32 bits.
    Bits32,
    /// 64 bits.
    Bits64,
}

impl ObjectKind {
    /// The kind of an object file by its first bytes; `None` for anything else.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<ObjectKind> {
        match bytes {
            [0x7f, b'E', b'L', b'F', class, data, ..] => {
                let word = match class {
                    1 => Word::Bits32,
                    2 => Word::Bits64,
                    _ => return None,
                };
                let big_endian = match data {
                    1 => false,
                    2 => true,
                    _ => return None,
                };
                let reader = Reader { bytes, big_endian };
                // Type 1: an object, not a program or a library.
                if reader.u16(16)? != 1 {
                    return None;
                }
                Some(ObjectKind::Elf { word, big_endian, machine: reader.u16(18)? })
            }
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, a, b, c, d, ..] => {
                Some(ObjectKind::MachO { cpu: u32::from_le_bytes([*a, *b, *c, *d]) })
            }
            [b'B', b'C', 0xc0, 0xde, ..] => Some(ObjectKind::Bitcode),
            [0, b'a', b's', b'm', ..] => Some(ObjectKind::Wasm),
            [a, b, ..] => {
                let machine = u16::from_le_bytes([*a, *b]);
                // Those that compilers make: i386, x86-64, ARM Thumb-2, aarch64.
                matches!(machine, 0x014c | 0x8664 | 0x01c4 | 0xaa64)
                    .then_some(ObjectKind::Coff { machine })
            }
            _ => None,
        }
    }

    /// The kind as [`fmt::Display`] writes it, read back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<ObjectKind> {
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words[..] {
            ["ELF", bits, order, "machine", machine] => ObjectKind::Elf {
                word: match bits {
                    "32-bit" => Word::Bits32,
                    "64-bit" => Word::Bits64,
                    _ => return None,
                },
                big_endian: match order {
                    "little-endian" => false,
                    "big-endian" => true,
                    _ => return None,
                },
                machine: machine.split('=').next()?.parse().ok()?,
            },
            ["Mach-O", "cpu", cpu] => ObjectKind::MachO { cpu: cpu.parse().ok()? },
            ["COFF", "machine", machine] => ObjectKind::Coff { machine: machine.parse().ok()? },
            ["LLVM", "bitcode"] => ObjectKind::Bitcode,
            ["WebAssembly"] => ObjectKind::Wasm,
            _ => return None,
        })
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectKind::Elf { word, big_endian, machine } => {
                let bits = if *word == Word::Bits32 { 32 } else { 64 };
                let order = if *big_endian { "big" } else { "little" };
                write!(f, "ELF {bits}-bit {order}-endian machine {machine}")?;
                match machine_name(*machine) {
                    Some(name) => write!(f, "={name}"),
                    None => Ok(()),
                }
            }
            ObjectKind::MachO { cpu } => write!(f, "Mach-O cpu {cpu}"),
            ObjectKind::Coff { machine } => write!(f, "COFF machine {machine}"),
            ObjectKind::Bitcode => f.write_str("LLVM bitcode"),
            ObjectKind::Wasm => f.write_str("WebAssembly"),
        }
    }
}

/// Names for people. Source: the ELF specification's list of machines.
fn machine_name(machine: u16) -> Option<&'static str> {
    Some(match machine {
        3 => "i386",
        8 => "MIPS",
        20 => "PowerPC",
        21 => "PowerPC64",
        22 => "s390",
        40 => "ARM",
        43 => "SPARC64",
        62 => "x86-64",
        183 => "aarch64",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => return None,
    })
}

/// The version that a compiler wrote into an object: of GCC's `GCC: (Debian 12.2.0-14) 12.2.0`
/// the family and the version, without the packager's words, which a cross compiler's maker
/// writes otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerVersion {
    /// `GCC` or `clang`.
    pub family: &'static str,
    /// The version, as in `12.2.0`.
    pub version: String,
}

impl fmt::Display for CompilerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.version)
    }
}

impl CompilerVersion {
    /// Reads one string of a `.comment` section.
    #[must_use]
    pub fn of_comment(comment: &str) -> Option<CompilerVersion> {
        if let Some(rest) = comment.strip_prefix("GCC: (") {
            let version = rest.rsplit(") ").next()?.split(' ').next()?;
            return Some(CompilerVersion { family: "GCC", version: version.to_owned() });
        }
        let (_, rest) = comment.split_once("clang version ")?;
        let version = rest.split([' ', '-', '+', '~']).next()?;
        Some(CompilerVersion { family: "clang", version: version.to_owned() })
    }

    /// The version as [`fmt::Display`] writes it, read back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<CompilerVersion> {
        let (family, version) = text.split_once(' ')?;
        let family = match family {
            "GCC" => "GCC",
            "clang" => "clang",
            _ => return None,
        };
        Some(CompilerVersion { family, version: version.to_owned() })
    }
}

/// An object file, looked at just as far as it takes to judge it.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    bytes: &'a [u8],
}

impl<'a> Object<'a> {
    /// Looks at `bytes`, whatever they are.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Object<'a> {
        Object { bytes }
    }

    /// The versions of the compilers that say they made it: of an ELF object the strings of its
    /// `.comment` section; none for other kinds, and where `-fno-ident` keeps the compiler quiet.
    #[must_use]
    pub fn compiler_versions(&self) -> Vec<CompilerVersion> {
        let comments = self.section(b".comment\0").unwrap_or_default();
        comments
            .split(|byte| *byte == 0)
            .filter_map(|comment| CompilerVersion::of_comment(std::str::from_utf8(comment).ok()?))
            .collect()
    }

    /// The contents of an ELF section by its name, which ends with a NUL; of several the last. Nothing
    /// in a damaged object makes it panic.
    fn section(&self, name: &[u8]) -> Option<&'a [u8]> {
        let Some(ObjectKind::Elf { word, big_endian, .. }) = ObjectKind::of(self.bytes) else {
            return None;
        };
        let reader = Reader { bytes: self.bytes, big_endian };
        let wide = word == Word::Bits64;
        let (table, entry, count, names) = if wide {
            (reader.word(40, wide)?, reader.u16(58)?, reader.u16(60)?, reader.u16(62)?)
        } else {
            (reader.word(32, wide)?, reader.u16(46)?, reader.u16(48)?, reader.u16(50)?)
        };
        let header = |index: u16| table.checked_add(usize::from(index) * usize::from(entry));
        let contents = |at: usize| {
            let (offset, size) = if wide {
                (reader.word(at.checked_add(24)?, wide)?, reader.word(at.checked_add(32)?, wide)?)
            } else {
                (reader.word(at.checked_add(16)?, wide)?, reader.word(at.checked_add(20)?, wide)?)
            };
            self.bytes.get(offset..offset.checked_add(size)?)
        };
        let names = contents(header(names)?)?;
        // C++ objects have thousands, and what is looked for stands behind the code.
        for index in (0..count).rev() {
            let at = header(index)?;
            let name_at = reader.u32(at)? as usize;
            if names.get(name_at..)?.starts_with(name) {
                return contents(at);
            }
        }
        None
    }
}

/// Numbers at offsets, in the file's byte order.
struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Reader<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut number: [u8; N] = self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if self.big_endian {
            number.reverse();
        }
        Some(number)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn word(&self, at: usize, wide: bool) -> Option<usize> {
        if wide {
            self.array(at).map(u64::from_le_bytes)?.try_into().ok()
        } else {
            self.u32(at)?.try_into().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, data: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, data, 1, 0];
        bytes.resize(16, 0);
        bytes.extend(if data == 2 { [0, 1] } else { [1, 0] });
        bytes.extend(machine);
        bytes
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let kind = ObjectKind::of(bytes).unwrap();
        assert_eq!(kind.to_string(), expected);
        assert_eq!(ObjectKind::from_text(expected), Some(kind));
    }

    #[test]
    fn objects_tell_what_they_are_for() {
        check(&elf(2, 1, [62, 0]), "ELF 64-bit little-endian machine 62=x86-64");
        check(&elf(2, 1, [183, 0]), "ELF 64-bit little-endian machine 183=aarch64");
        check(&elf(1, 2, [0, 8]), "ELF 32-bit big-endian machine 8=MIPS");
        check(&elf(1, 1, [1, 200]), "ELF 32-bit little-endian machine 51201");
        check(b"BC\xc0\xde", "LLVM bitcode");
        check(b"\0asm\x01", "WebAssembly");
        check(b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "Mach-O cpu 16777228");
        check(b"\x64\x86\0", "COFF machine 34404");
    }

    #[test]
    fn anything_else_is_no_object() {
        let mut program = elf(2, 1, [62, 0]);
        program[16] = 2;
        for bytes in
            [&b""[..], b"x", b"\x7fELF\x03\x01", b"\x7fELF\x02\x01", b"#!/bin/sh", &program]
        {
            assert_eq!(ObjectKind::of(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[track_caller]
    fn check_version(comment: &str, expected: Option<&str>) {
        let version = CompilerVersion::of_comment(comment);
        assert_eq!(version.as_ref().map(ToString::to_string).as_deref(), expected);
        assert_eq!(expected.and_then(CompilerVersion::from_text), version);
    }

    #[test]
    fn versions_come_without_the_packagers_words() {
        check_version("GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", Some("GCC 12.2.0"));
        check_version("GCC: (GNU) 12.2.0", Some("GCC 12.2.0"));
        check_version("GCC: (crosstool-NG (x) 1.25) 12.2.0 20220819", Some("GCC 12.2.0"));
        check_version("Debian clang version 14.0.6", Some("clang 14.0.6"));
        check_version("clang version 14.0.6 (https://x y)", Some("clang 14.0.6"));
        check_version("Ubuntu clang version 14.0.0-1ubuntu1.1", Some("clang 14.0.0"));
        check_version("my own words", None);
    }

    #[test]
    fn a_real_object_names_its_compiler_and_no_damage_makes_us_panic() {
        let output = std::process::Command::new("cc")
            .args(["-x", "c", "-c", "-o", "/dev/stdout", "/dev/null"])
            .output()
            .unwrap();
        // An assembler may be unable to write to a pipe; a file then tells the same.
        let bytes = if output.stdout.is_empty() {
            let path = std::env::temp_dir().join(format!("distcc-rs-{}.o", std::process::id()));
            let status = std::process::Command::new("cc")
                .args(["-x", "c", "-c", "/dev/null", "-o"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(status.success());
            let bytes = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            bytes
        } else {
            output.stdout
        };
        assert!(ObjectKind::of(&bytes).is_some());
        assert_eq!(Object::new(&bytes).compiler_versions().len(), 1);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                let _ = Object::new(&damaged).compiler_versions();
            }
            let _ = Object::new(&bytes[..at]).compiler_versions();
        }
    }
}
