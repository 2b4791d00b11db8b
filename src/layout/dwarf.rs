//! Offsets from debug information: the structs we want, looked up in a file's DWARF (versions 2 to 5).
//!
//! Walks the units and stops as soon as all are found. The file is hostile input: offsets out of range are errors of the
//! reader, chains of types and nesting are bounded.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, DebugLineStr, DebugStr, DebugStrOffsets,
    DebugStrOffsetsBase, DebuggingInformationEntry, EndianSlice, LittleEndian, UnitHeader, UnitOffset,
};

use super::names::{self, Need, Structure, structures};
use super::objects::{OBJECTS, Object};
use super::{Found, MAX_OFFSET};
use crate::target::elf::Elf;
use crate::target::version::Version;

/// `typedef`s and qualifiers around a type.
const MAX_TYPE_CHAIN: usize = 16;
/// Unnamed structs and unions within each other, whose members count as the outer one's.
const MAX_ANONYMOUS: usize = 4;
const MAX_OPEN_UNITS: usize = 64;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// The sections that names and types are in.
struct Dwarf<'a> {
    info: DebugInfo<Slice<'a>>,
    abbreviations: DebugAbbrev<Slice<'a>>,
    strings: DebugStr<Slice<'a>>,
    line_strings: DebugLineStr<Slice<'a>>,
    string_offsets: DebugStrOffsets<Slice<'a>>,
    /// Those that were opened lately, by where they begin: opening one takes longer than anything that is done with it.
    units: RefCell<BTreeMap<usize, Rc<Unit<'a>>>>,
}

type NamedMember<'a> = (Option<&'a [u8]>, Member);

/// A unit, opened.
struct Unit<'a> {
    header: UnitHeader<Slice<'a>>,
    abbreviations: Abbreviations,
    strings_base: usize,
}

/// A member of a struct: where it is in it, and the entry of its type.
struct Member {
    offset: u64,
    kind: Place,
}

/// An entry: where its unit begins, and where in the unit it is.
#[derive(Clone, Copy)]
struct Place {
    unit: usize,
    entry: usize,
}

/// A struct that is looked for.
#[derive(Clone, Copy)]
enum Wanted {
    Structure(&'static Structure),
    Object(&'static Object),
}

impl Wanted {
    fn tags(self) -> &'static [&'static str] {
        match self {
            Wanted::Structure(structure) => structure.tags,
            Wanted::Object(object) => object.tags,
        }
    }

    /// Whether `version` cannot be read without it.
    fn is_needed(self, version: Version) -> bool {
        match self {
            Wanted::Structure(structure) => match structure.need {
                Need::All => true,
                Need::From37 => version.at_least(3, 7),
                Need::None => false,
            },
            Wanted::Object(_) => false,
        }
    }
}

/// What the debug information of `elf`, of an interpreter of `version`, tells; the error says what is missing.
pub(super) fn find(elf: &Elf, version: Version) -> Result<Found, String> {
    let all = structures().map(Wanted::Structure).chain(OBJECTS.iter().map(Wanted::Object));
    let (found, missing) = search(elf, all.collect())?;
    match missing.iter().find(|wanted| wanted.is_needed(version)) {
        None => Ok(found),
        Some(wanted) => Err(format!("its debug information has no `struct {}`", wanted.tags()[0])),
    }
}

/// Adds what extension modules may have, `found` does not have yet and the debug information of a library does.
pub(super) fn find_more(library: &Elf, found: &mut Found) -> Result<(), String> {
    let is_unknown = |structure: &&Structure| structure.fields.iter().all(|f| !found.offsets.contains_key(f.name));
    let structures = names::library().filter(is_unknown).map(Wanted::Structure);
    let objects = OBJECTS.iter().filter(|object| !found.objects.contains_key(object.types[0])).map(Wanted::Object);
    let (more, _) = search(library, structures.chain(objects).collect())?;
    found.offsets.extend(more.offsets);
    found.objects.extend(more.objects);
    Ok(())
}

/// What of `missing` is there, and what is not.
fn search(elf: &Elf, mut missing: Vec<Wanted>) -> Result<(Found, Vec<Wanted>), String> {
    let info = elf.section_data(".debug_info").ok_or("it has no debug information")?;
    let section = |name| elf.section_data(name).unwrap_or_default();
    let (abbreviations, strings) = (section(".debug_abbrev"), section(".debug_str"));
    let (line_strings, string_offsets) = (section(".debug_line_str"), section(".debug_str_offsets"));
    let slice = |bytes| EndianSlice::new(bytes, LittleEndian);
    let dwarf = Dwarf {
        info: DebugInfo::from(slice(&info)),
        abbreviations: DebugAbbrev::from(slice(&abbreviations)),
        strings: DebugStr::from(slice(&strings)),
        line_strings: DebugLineStr::from(slice(&line_strings)),
        string_offsets: DebugStrOffsets::from(slice(&string_offsets)),
        units: RefCell::default(),
    };
    let mut found = Found::default();
    dwarf.search(&mut missing, &mut found).map_err(|error| format!("its debug information is damaged: {error}"))?;
    Ok((found, missing))
}

impl<'a> Dwarf<'a> {
    fn search(&self, missing: &mut Vec<Wanted>, found: &mut Found) -> gimli::Result<()> {
        let mut units = self.info.units();
        while let Some(header) = units.next()? {
            let unit = self.unit_at(start_of(&header))?;
            let mut entries = unit.header.entries(&unit.abbreviations);
            // To the unit's own entry, then to the first below it.
            if !entries.next_entry()? || !entries.next_entry()? {
                continue;
            }
            while let Some(entry) = entries.current() {
                for at in self.wanted(&unit, entry, missing).into_iter().rev() {
                    let place = Place { unit: unit.start(), entry: entry.offset().0 };
                    if self.measure(place, missing[at], found)? {
                        missing.swap_remove(at);
                    }
                }
                if missing.is_empty() {
                    return Ok(());
                }
                entries.next_sibling()?;
            }
        }
        Ok(())
    }

    fn open(&self, header: UnitHeader<Slice<'a>>) -> gimli::Result<Unit<'a>> {
        let abbreviations = header.abbreviations(&self.abbreviations)?;
        let mut unit = Unit { header, abbreviations, strings_base: 0 };
        let root = unit.header.entry(&unit.abbreviations, unit.header.root_offset())?;
        if let Some(AttributeValue::DebugStrOffsetsBase(base)) = root.attr_value(gimli::DW_AT_str_offsets_base) {
            unit.strings_base = base.0;
        }
        Ok(unit)
    }

    fn unit_at(&self, start: usize) -> gimli::Result<Rc<Unit<'a>>> {
        if let Some(unit) = self.units.borrow().get(&start) {
            return Ok(Rc::clone(unit));
        }
        let unit = Rc::new(self.open(self.info.header_from_offset(DebugInfoOffset(start))?)?);
        let mut units = self.units.borrow_mut();
        if units.len() == MAX_OPEN_UNITS {
            units.clear();
        }
        units.insert(start, Rc::clone(&unit));
        Ok(unit)
    }

    /// The unit that has the entry at `offset` of the section, and where in the unit that is.
    fn unit_of(&self, offset: usize) -> gimli::Result<Option<Place>> {
        let mut units = self.info.units();
        while let Some(header) = units.next()? {
            let start = start_of(&header);
            if (start..start.saturating_add(header.length_including_self())).contains(&offset) {
                return Ok(Some(Place { unit: start, entry: offset - start }));
            }
        }
        Ok(None)
    }

    /// Which of `missing` this entry defines, by a tag or by a name given to a struct without one.
    fn wanted(&self, unit: &Unit<'a>, entry: &Entry<'a>, missing: &[Wanted]) -> Vec<usize> {
        let kinds = [gimli::DW_TAG_structure_type, gimli::DW_TAG_union_type, gimli::DW_TAG_typedef];
        if !kinds.contains(&entry.tag()) || entry.has_attr(gimli::DW_AT_declaration) {
            return Vec::new();
        }
        let Some(name) = self.name(unit, entry) else { return Vec::new() };
        let is_called = |wanted: &Wanted| wanted.tags().iter().any(|tag| tag.as_bytes() == name);
        missing.iter().enumerate().filter(|(_, wanted)| is_called(wanted)).map(|(at, _)| at).collect()
    }

    fn name(&self, unit: &Unit<'a>, entry: &Entry<'a>) -> Option<&'a [u8]> {
        let string = match entry.attr_value(gimli::DW_AT_name)? {
            AttributeValue::String(string) => string,
            AttributeValue::DebugStrRef(offset) => self.strings.get_str(offset).ok()?,
            AttributeValue::DebugLineStrRef(offset) => self.line_strings.get_str(offset).ok()?,
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let base = DebugStrOffsetsBase(unit.strings_base);
                let offset = self.string_offsets.get_str_offset(unit.header.format(), base, index).ok()?;
                self.strings.get_str(offset).ok()?
            }
            _ => return None,
        };
        Some(string.slice())
    }

    /// Adds what is wanted of the struct at `place` to `found`, if it is CPython's: says whether.
    fn measure(&self, place: Place, wanted: Wanted, found: &mut Found) -> gimli::Result<bool> {
        let Some(size) = self.size(place)? else { return Ok(false) };
        match wanted {
            Wanted::Structure(structure) => {
                let mut offsets = BTreeMap::new();
                for field in structure.fields {
                    for path in field.paths {
                        let Some(member) = self.follow(place, path)? else { continue };
                        let value = if field.size { self.size(member.kind)? } else { Some(member.offset) };
                        if let Some(value) = value.filter(|&value| value < MAX_OFFSET) {
                            offsets.insert(field.name, value);
                            break;
                        }
                    }
                }
                let ours = structure.marks.iter().all(|mark| offsets.contains_key(mark));
                if ours {
                    found.offsets.extend(offsets);
                }
                Ok(ours)
            }
            Wanted::Object(object) => {
                // Modules have structs of the same name that are no objects.
                if !self.is_object(place)? {
                    return Ok(false);
                }
                let end = object.end.map(|end| self.follow(place, end)).transpose()?.flatten();
                let mut members = BTreeMap::from([("", end.map_or(size, |end| end.offset))]);
                for path in object.visits.iter().map(|(path, _)| *path).chain(object.given) {
                    let Some(member) = self.follow(place, path)?.filter(|member| member.offset < MAX_OFFSET) else {
                        continue;
                    };
                    // Some were an object in one version and text or a number in another.
                    if object.given == Some(path) || self.is_reference(member.kind)? {
                        members.insert(path, member.offset);
                    }
                }
                found.objects.insert(object.types[0], members);
                Ok(true)
            }
        }
    }

    /// The member that a path like `ceval.gil` leads to.
    fn follow(&self, place: Place, path: &str) -> gimli::Result<Option<Member>> {
        let mut member = Member { offset: 0, kind: place };
        for name in path.split('.').filter(|name| !name.is_empty()) {
            let Some(structure) = self.strip(member.kind)? else { return Ok(None) };
            let Some(next) = self.member(structure, name, MAX_ANONYMOUS)? else { return Ok(None) };
            member = Member { offset: member.offset.saturating_add(next.offset), kind: next.kind };
        }
        Ok(Some(member))
    }

    /// The member called so, also one of an unnamed struct or union within.
    fn member(&self, structure: Place, name: &str, depth: usize) -> gimli::Result<Option<Member>> {
        for (own, member) in self.members(structure)? {
            match own {
                Some(own) if own == name.as_bytes() => return Ok(Some(member)),
                None if depth > 0 => {
                    let inner =
                        self.strip(member.kind)?.map(|inner| self.member(inner, name, depth - 1)).transpose()?;
                    if let Some(inner) = inner.flatten() {
                        let offset = member.offset.saturating_add(inner.offset);
                        return Ok(Some(Member { offset, kind: inner.kind }));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// All members of a struct, with their names.
    fn members(&self, structure: Place) -> gimli::Result<Vec<NamedMember<'a>>> {
        let mut members = Vec::new();
        let unit = self.unit_at(structure.unit)?;
        let mut entries = unit.header.entries_at_offset(&unit.abbreviations, UnitOffset(structure.entry))?;
        if !entries.next_entry()? || !entries.current().is_some_and(|entry| entry.has_children()) {
            return Ok(members);
        }
        entries.next_entry()?;
        while let Some(entry) = entries.current() {
            if entry.tag() == gimli::DW_TAG_member
                && let Some(kind) = self.kind(&unit, entry)?
            {
                members.push((self.name(&unit, entry), Member { offset: location(entry), kind }));
            }
            entries.next_sibling()?;
        }
        Ok(members)
    }

    /// The entry of the type of `entry`.
    fn kind(&self, unit: &Unit<'a>, entry: &Entry<'a>) -> gimli::Result<Option<Place>> {
        match entry.attr_value(gimli::DW_AT_type) {
            Some(AttributeValue::UnitRef(UnitOffset(entry))) => Ok(Some(Place { unit: unit.start(), entry })),
            // Into another unit: what `dwz` leaves behind.
            Some(AttributeValue::DebugInfoRef(offset)) => self.unit_of(offset.0),
            _ => Ok(None),
        }
    }

    /// The struct or union behind `typedef`s and qualifiers; of anything else nothing.
    fn strip(&self, place: Place) -> gimli::Result<Option<Place>> {
        let stripped = self.unqualified(place)?;
        Ok(stripped
            .filter(|(_, tag)| [gimli::DW_TAG_structure_type, gimli::DW_TAG_union_type].contains(tag))
            .map(|(place, _)| place))
    }

    /// What is behind `typedef`s and qualifiers, and which tag it has; of `void` nothing.
    fn unqualified(&self, mut place: Place) -> gimli::Result<Option<(Place, gimli::DwTag)>> {
        for _ in 0..MAX_TYPE_CHAIN {
            let unit = self.unit_at(place.unit)?;
            let entry = unit.header.entry(&unit.abbreviations, UnitOffset(place.entry))?;
            match entry.tag() {
                gimli::DW_TAG_typedef
                | gimli::DW_TAG_const_type
                | gimli::DW_TAG_volatile_type
                | gimli::DW_TAG_atomic_type => match self.kind(&unit, &entry)? {
                    Some(next) => place = next,
                    None => return Ok(None),
                },
                tag => return Ok(Some((place, tag))),
            }
        }
        Ok(None)
    }

    /// Whether the struct begins with a `PyObject`.
    fn is_object(&self, place: Place) -> gimli::Result<bool> {
        let mut structure = self.strip(place)?;
        for _ in 0..MAX_TYPE_CHAIN {
            let Some(place) = structure else { return Ok(false) };
            if self.member(place, "ob_type", MAX_ANONYMOUS)?.is_some() {
                return Ok(true);
            }
            let first = self.members(place)?.into_iter().next();
            structure = match first {
                Some((_, member)) if member.offset == 0 => self.strip(member.kind)?,
                _ => return Ok(false),
            };
        }
        Ok(false)
    }

    /// Whether the type is a pointer to an object, or to a struct that this unit only declares.
    fn is_reference(&self, kind: Place) -> gimli::Result<bool> {
        let Some((place, gimli::DW_TAG_pointer_type)) = self.unqualified(kind)? else { return Ok(false) };
        let unit = self.unit_at(place.unit)?;
        let entry = unit.header.entry(&unit.abbreviations, UnitOffset(place.entry))?;
        let Some(target) = self.kind(&unit, &entry)? else { return Ok(false) };
        let Some(target) = self.strip(target)? else { return Ok(false) };
        Ok(self.size(target)?.is_none() || self.is_object(target)?)
    }

    /// The size in bytes of a struct or union type, or of an array of pointers.
    fn size(&self, kind: Place) -> gimli::Result<Option<u64>> {
        if let Some(length) = self.array_length(kind)? {
            return Ok(Some(length * 8));
        }
        let Some(place) = self.strip(kind)? else { return Ok(None) };
        let unit = self.unit_at(place.unit)?;
        let entry = unit.header.entry(&unit.abbreviations, UnitOffset(place.entry))?;
        Ok(entry.attr_value(gimli::DW_AT_byte_size).and_then(|value| value.udata_value()))
    }
}

impl Dwarf<'_> {
    /// How many elements an array type has.
    fn array_length(&self, kind: Place) -> gimli::Result<Option<u64>> {
        let unit = self.unit_at(kind.unit)?;
        let mut entries = unit.header.entries_at_offset(&unit.abbreviations, UnitOffset(kind.entry))?;
        if !entries.next_entry()? || entries.current().is_none_or(|entry| entry.tag() != gimli::DW_TAG_array_type) {
            return Ok(None);
        }
        entries.next_entry()?;
        let bound = entries.current().and_then(|entry| entry.attr_value(gimli::DW_AT_upper_bound));
        Ok(bound.and_then(|bound| bound.udata_value()).filter(|&bound| bound < MAX_OFFSET).map(|bound| bound + 1))
    }
}

impl Unit<'_> {
    fn start(&self) -> usize {
        start_of(&self.header)
    }
}

/// Where a unit of `.debug_info` begins in it.
fn start_of(header: &UnitHeader<Slice<'_>>) -> usize {
    header.debug_info_offset().map_or(0, |offset| offset.0)
}

/// Where a member is in its struct: a constant, or in DWARF 2 an expression that adds one. A union's members have none.
fn location(entry: &Entry<'_>) -> u64 {
    match entry.attr_value(gimli::DW_AT_data_member_location) {
        Some(AttributeValue::Exprloc(expression)) => {
            let mut bytes = expression.0;
            match gimli::Reader::read_u8(&mut bytes) {
                Ok(code) if code == gimli::DW_OP_plus_uconst.0 => gimli::Reader::read_uleb128(&mut bytes),
                _ => Ok(MAX_OFFSET),
            }
            .unwrap_or(MAX_OFFSET)
        }
        Some(value) => value.udata_value().unwrap_or(MAX_OFFSET),
        None => 0,
    }
}
