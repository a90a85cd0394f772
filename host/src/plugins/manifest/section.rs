//! Where the manifest travels: a custom section of the component itself, exactly one, not inside anything nested.
//!
//! Nothing is run or compiled to find it: sections of a component follow one another with their sizes.

/// The name of the custom section.
pub const SECTION: &str = "frontdesk:manifest";

/// A manifest is read by people.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// A linked Python guest has some hundred; a section may have two bytes, so a hostile component has millions.
const MAX_SECTIONS: usize = 10_000;

/// `\0asm`, version 13, layer 1: the preamble of a component, as the component model's binary format has it.
const PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
/// The same magic with version 1, layer 0.
const MODULE_PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/// Why a component's manifest cannot be read or embedded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    #[error("this is not a WebAssembly component")]
    NotAComponent,
    #[error(
        "this is a WebAssembly module, not a component; build it with `frontdesk plugin build`, or wrap it with wasm-component-ld"
    )]
    Module,
    #[error("the component is cut short or malformed at byte {0}")]
    Malformed(usize),
    #[error("the component has more than {MAX_SECTIONS} sections")]
    TooMany,
    #[error(
        "the component carries no manifest; build it with `frontdesk plugin build`, which embeds plugin.toml"
    )]
    Missing,
    #[error("the component carries {0} manifests; exactly one belongs in it")]
    Several(usize),
    #[error("the manifest has {0} bytes; {MAX_MANIFEST_BYTES} are allowed")]
    TooLarge(usize),
    #[error("the manifest is not UTF-8")]
    NotUtf8,
}

/// One section of the outermost level.
struct Section<'c> {
    /// From its id to its end.
    whole: &'c [u8],
    /// The manifest's bytes, if it is one.
    manifest: Option<&'c [u8]>,
}

/// The text of the manifest that a component carries.
///
/// # Errors
/// If it is no component, or carries none or several.
pub fn read_section(component: &[u8]) -> Result<String, SectionError> {
    let mut manifests = sections(component)?.into_iter().filter_map(|section| section.manifest);
    let manifest = manifests.next().ok_or(SectionError::Missing)?;
    let more = manifests.count();
    if more > 0 {
        return Err(SectionError::Several(more + 1));
    }
    if manifest.len() > MAX_MANIFEST_BYTES {
        return Err(SectionError::TooLarge(manifest.len()));
    }
    String::from_utf8(manifest.to_vec()).map_err(|_| SectionError::NotUtf8)
}

/// The component with this manifest in it, in place of any it had.
///
/// # Errors
/// If it is no component, or the manifest is too long.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>, SectionError> {
    if manifest.len() > MAX_MANIFEST_BYTES {
        return Err(SectionError::TooLarge(manifest.len()));
    }
    let mut with = Vec::with_capacity(component.len() + manifest.len() + 64);
    with.extend_from_slice(&PREAMBLE);
    for section in sections(component)?.into_iter().filter(|section| section.manifest.is_none()) {
        with.extend_from_slice(section.whole);
    }
    let mut body = Vec::with_capacity(manifest.len() + SECTION.len() + 1);
    write_u32(&mut body, SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(manifest.as_bytes());
    with.push(0);
    write_u32(&mut with, body.len());
    with.extend_from_slice(&body);
    Ok(with)
}

fn sections(component: &[u8]) -> Result<Vec<Section<'_>>, SectionError> {
    if component.starts_with(&MODULE_PREAMBLE) {
        return Err(SectionError::Module);
    }
    if !component.starts_with(&PREAMBLE) {
        return Err(SectionError::NotAComponent);
    }
    let mut sections = Vec::new();
    let mut start = PREAMBLE.len();
    while start < component.len() {
        let malformed = SectionError::Malformed(start);
        let (size, body) = read_u32(component, start + 1).ok_or(malformed.clone())?;
        let end = body.checked_add(size).filter(|end| *end <= component.len()).ok_or(malformed)?;
        let manifest = if component[start] == 0 { manifest_of(&component[body..end]) } else { None };
        if sections.len() == MAX_SECTIONS {
            return Err(SectionError::TooMany);
        }
        sections.push(Section { whole: &component[start..end], manifest });
        start = end;
    }
    Ok(sections)
}

fn manifest_of(custom: &[u8]) -> Option<&[u8]> {
    let (length, name) = read_u32(custom, 0)?;
    let end = name.checked_add(length)?;
    (custom.get(name..end)? == SECTION.as_bytes()).then_some(custom.get(end..)?)
}

/// A LEB128 u32 and where it ends.
fn read_u32(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for index in 0..5 {
        let byte = *bytes.get(start + index)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, start + index + 1));
        }
    }
    None
}

fn write_u32(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
