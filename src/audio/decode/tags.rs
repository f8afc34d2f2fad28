//! Tags that players' tools put before, between and after sound: ID3, APE, Lyrics3.

/// Bytes that suffice to recognise a tag and its size.
pub(super) const HEADER: usize = 32;

/// Bytes of an ID3v1 tag.
const ID3V1: u64 = 128;
/// Bytes that some writers put before an ID3v1 tag.
const ID3V1_PLUS: u64 = 227;

/// The size of an ID3v2 tag whose first bytes these are.
pub(super) fn leading(bytes: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', major, minor, flags, size @ ..] = bytes else { return None };
    let size = size.first_chunk::<4>()?;
    if *major == 0xFF || *minor == 0xFF || size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    let size = size.iter().fold(0, |size, &byte| size << 7 | u64::from(byte));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    Some(10 + size + footer)
}

/// The size of a tag that follows sound and whose first bytes these are.
pub(super) fn trailing(bytes: &[u8]) -> Option<u64> {
    if bytes.starts_with(b"TAG+") {
        return Some(ID3V1_PLUS);
    }
    if bytes.starts_with(b"TAG") {
        return Some(ID3V1);
    }
    if bytes.starts_with(b"APETAGEX") {
        return ape(bytes);
    }
    // Its size is at its end; only tags follow it.
    bytes.starts_with(b"LYRICSBEGIN").then_some(u64::MAX)
}

/// The size of an APE tag by its header or footer, with both.
fn ape(bytes: &[u8]) -> Option<u64> {
    let size = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
    let flags = u32::from_le_bytes(bytes.get(20..24)?.try_into().ok()?);
    // Bit 29: this is the header, which the size leaves out. Bit 31: there is one.
    Some(u64::from(size) + if flags & (1 << 29 | 1 << 31) != 0 { 32 } else { 0 })
}

/// Bytes of tags at the end of a file. `last` holds its last bytes, as many as were read.
pub(super) fn at_end(last: &[u8]) -> u64 {
    let mut end = last.len();
    loop {
        let rest = &last[..end];
        let tag = if rest.len() >= ID3V1 as usize && rest[end - ID3V1 as usize..].starts_with(b"TAG") {
            Some(ID3V1)
        } else if rest.len() >= HEADER && rest[end - HEADER..].starts_with(b"APETAGEX") {
            ape(&rest[end - HEADER..])
        } else if rest.ends_with(b"LYRICS200") {
            lyrics(rest)
        } else {
            None
        };
        match tag.and_then(|size| usize::try_from(size).ok()) {
            Some(size) if size > 0 && size <= end => end -= size,
            _ => return (last.len() - end) as u64,
        }
    }
}

/// The size of a Lyrics3v2 tag from the six digits before its end mark.
fn lyrics(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.get(bytes.len().checked_sub(15)?..bytes.len() - 9)?;
    let size: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(size + 15)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tags_are_measured_from_both_ends() {
        assert_eq!(leading(b"ID3\x04\0\0\0\0\x02\x01rest"), Some(10 + 257));
        assert_eq!(leading(b"ID3\x04\0\0\x80\0\x02\x01"), None, "no size in ID3's form");
        let mut file = b"sound".to_vec();
        let ape = |flags: u32| {
            let mut tag = b"APETAGEX\xd0\x07\0\0".to_vec();
            tag.extend_from_slice(&32u32.to_le_bytes());
            tag.extend_from_slice(&0u32.to_le_bytes());
            tag.extend_from_slice(&flags.to_le_bytes());
            tag.extend_from_slice(&[0; 8]);
            tag
        };
        file.extend(ape(1 << 31 | 1 << 29));
        file.extend(ape(1 << 31));
        let mut id3 = b"TAG".to_vec();
        id3.resize(128, 0);
        file.extend(id3);
        assert_eq!(at_end(&file), 64 + 128);
        assert_eq!(at_end(b"sound"), 0);
        assert_eq!(trailing(&ape(1 << 31 | 1 << 29)), Some(64));
    }
}
