//! Outgoing frames, encoded once and shared by refcount.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close::CloseCode;

/// One or more whole, unmasked frames, ready to be written. A clone is a refcount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames(Bytes);

impl Frames {
    /// One text message.
    pub fn text(text: &str) -> Self {
        let mut builder = Builder::with_capacity(text.len() + 10);
        builder.text(text);
        builder.finish()
    }

    /// A ping without content.
    pub fn ping() -> Self {
        let mut builder = Builder::with_capacity(2);
        builder.frame(OpCode::Control(Control::Ping), &[]);
        builder.finish()
    }

    /// The last frame of a connection. `reason` is cut to the 123 bytes that fit.
    pub fn close(code: CloseCode, reason: &str) -> Self {
        let fitting = &reason[..reason.floor_char_boundary(123)];
        let mut payload = Vec::with_capacity(2 + fitting.len());
        payload.extend_from_slice(&code.number().to_be_bytes());
        payload.extend_from_slice(fitting.as_bytes());
        let mut builder = Builder::with_capacity(payload.len() + 2);
        builder.frame(OpCode::Control(Control::Close), &payload);
        builder.finish()
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Puts whole messages one behind the other into one buffer, so that they cost one write.
#[derive(Debug, Default)]
pub struct Builder(BytesMut);

impl Builder {
    /// A builder with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    /// Adds one text message.
    pub fn text(&mut self, text: &str) {
        self.frame(OpCode::Data(Data::Text), text.as_bytes());
    }

    /// What was added, ready to be shared.
    pub fn finish(self) -> Frames {
        Frames(self.0.freeze())
    }

    fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let length = payload.len() as u64;
        self.0.reserve(header.len(length) + payload.len());
        // A `BytesMut` grows as it is written to, so formatting a header into it can't fail.
        let _ = header.format(length, &mut (&mut self.0).writer());
        self.0.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_follow_the_three_length_forms() {
        assert_eq!(&Frames::text("hi").bytes()[..], b"\x81\x02hi");
        assert_eq!(&Frames::text(&"x".repeat(200)).bytes()[..4], &[0x81, 126, 0, 200]);
        assert_eq!(&Frames::text(&"x".repeat(70_000)).bytes()[..10], &[0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        assert_eq!(&Frames::ping().bytes()[..], b"\x89\x00");
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        let frames = Frames::close(CloseCode::Normal, &"마".repeat(60));
        assert_eq!(frames.bytes()[1] as usize, 2 + 123 / 3 * 3);
        assert_eq!(&frames.bytes()[2..4], &1000_u16.to_be_bytes());
    }
}
