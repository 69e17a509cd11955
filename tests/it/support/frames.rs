//! Reads what the server wrote: unmasked frames, as RFC 6455 has them. The tests' own reader, so that an encoder that
//! is wrong can't be read wrongly by itself.

/// One frame of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Close(u16, String),
    Ping,
    Pong(Vec<u8>),
}

/// Splits whole frames off the front of `bytes`.
pub(crate) fn split(bytes: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((frame, used)) = first(bytes) {
        frames.push(frame);
        bytes.drain(..used);
    }
    frames
}

fn first(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&[head, length], rest) = bytes.split_first_chunk::<2>()?;
    assert_eq!(head & 0x70, 0, "reserved bits are 0");
    assert_eq!(length & 0x80, 0, "a server doesn't mask");
    assert_eq!(head & 0x80, 0x80, "a server doesn't fragment");
    let (length, start) = match length {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + usize::try_from(length).unwrap();
    let payload = bytes.get(start..end)?;
    let frame = match head & 0x0f {
        1 => Frame::Text(String::from_utf8(payload.to_vec()).expect("text is UTF-8")),
        8 => {
            let (code, reason) = payload.split_first_chunk().expect("our closes have a code");
            Frame::Close(u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap())
        }
        9 => Frame::Ping,
        10 => Frame::Pong(payload.to_vec()),
        other => panic!("opcode {other}"),
    };
    Some((frame, end))
}
