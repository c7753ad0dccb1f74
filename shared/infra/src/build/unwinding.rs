//! Tables for unwinding the stack, emptied in what is deployed: a tenth of a zip.
//!
//! A function that panics aborts, and its symbols are stripped, so there is nobody to read these tables. `-C force-unwind-tables=no`
//! does not leave them out: the standard library is linked in with debug information, and for that LLVM makes them for everything.

use std::ops::Range;

use object::elf::{FileHeader64, PT_GNU_EH_FRAME};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection};

/// Where the tables are, and what finds them.
const SECTIONS: [&str; 3] = [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];

/// Empties the tables of a program for Linux, 64 bits. Everything else stays where it is.
///
/// # Errors
/// When it is none, or has no such tables: then something is not as it was when this was written.
pub(super) fn empty(program: &mut [u8]) -> Result<(), String> {
    let Tables { contents, header } = Tables::find(program).map_err(|error| error.to_string())?;
    if contents.is_empty() {
        return Err("it has no tables for unwinding".to_owned());
    }
    // A header of zeros is none (PT_NULL): nobody shall look for what is not there.
    for part in contents.into_iter().chain(header) {
        program.get_mut(part).ok_or("a table is not within the file")?.fill(0);
    }
    Ok(())
}

/// Parts of a program's file.
struct Tables {
    contents: Vec<Range<usize>>,
    /// The type, four bytes, of the program header by which they are found.
    header: Option<Range<usize>>,
}

impl Tables {
    fn find(program: &[u8]) -> object::Result<Self> {
        let file = object::File::parse(program)?;
        let contents = SECTIONS.iter().filter_map(|name| file.section_by_name(name)?.file_range());

        let start = FileHeader64::<Endianness>::parse(program)?;
        let endian = start.endian()?;
        let headers = start.program_headers(endian, program)?;
        let position = headers.iter().position(|header| header.p_type(endian) == PT_GNU_EH_FRAME);
        let (offset, size) = (start.e_phoff(endian), u64::from(start.e_phentsize(endian)));
        Ok(Self {
            contents: contents.map(|(from, length)| range(from, length)).collect(),
            header: position.map(|i| range(offset + size * i as u64, 4)),
        })
    }
}

fn range(from: u64, length: u64) -> Range<usize> {
    from as usize..(from + length) as usize
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_empty_and_everything_else_is_as_it_was() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let Tables { contents, header } = Tables::find(&whole).unwrap();
        assert!(contents.iter().map(Range::len).sum::<usize>() > 1_000, "{contents:?}");
        let parts: Vec<_> = contents.into_iter().chain(header).collect();
        assert!(parts.len() >= 3, "{parts:?}");

        let mut emptied = whole.clone();
        empty(&mut emptied).unwrap();
        assert_eq!(emptied.len(), whole.len());
        for (at, (before, after)) in whole.iter().zip(&emptied).enumerate() {
            match parts.iter().any(|part| part.contains(&at)) {
                true => assert_eq!(*after, 0, "{at}"),
                false => assert_eq!(before, after, "{at}"),
            }
        }
        assert!(Tables::find(&emptied).unwrap().header.is_none(), "somebody may look for them");
        let once = emptied.clone();
        empty(&mut emptied).unwrap();
        assert_eq!(emptied, once, "twice is once");
    }

    #[test]
    fn what_is_no_such_program_is_an_error() {
        assert!(empty(&mut b"#!/bin/sh".to_vec()).is_err());
    }
}
