//! Guesses what a peer speaks that does not speak Kafka, so that the log says what to do about it.

/// What four bytes that cannot be a frame's size look like, and what would help.
pub(super) fn looks_like(first: [u8; 4]) -> (&'static str, &'static str) {
    match first {
        [0x16, 0x03, ..] => (
            "a TLS handshake",
            "this listener is plaintext: set `security.protocol=PLAINTEXT` in the client",
        ),
        [0x80..=0xff, _, 0x01, 0x00 | 0x03] => (
            "an SSLv2 or SSLv3 handshake",
            "this listener is plaintext: set `security.protocol=PLAINTEXT` in the client",
        ),
        [b'G', b'E', b'T', b' ']
        | [b'P', b'O', b'S', b'T']
        | [b'P', b'U', b'T', b' ']
        | [b'H', b'E', b'A', b'D']
        | [b'D', b'E', b'L', b'E']
        | [b'P', b'A', b'T', b'C']
        | [b'O', b'P', b'T', b'I']
        | [b'C', b'O', b'N', b'N']
        | [b'P', b'R', b'I', b' '] => (
            "an HTTP request",
            "this port speaks the Kafka protocol: use another for HTTP",
        ),
        [b'S', b'S', b'H', b'-'] => ("an SSH greeting", "this port speaks the Kafka protocol"),
        [0x80..=0xff, ..] => (
            "a negative size",
            "the peer does not speak the Kafka protocol, or lost its place in it",
        ),
        [0, 0, 0, 0] => (
            "an empty request",
            "the peer does not speak the Kafka protocol, or lost its place in it",
        ),
        _ if first
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
        {
            ("text", "this port speaks the Kafka protocol")
        }
        _ => (
            "a size above the limit",
            "raise `socket.request.max.bytes` if the peer is a Kafka client with larger requests",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn common_strangers_are_recognised() {
        for (first, expected) in [
            ([0x16, 3, 1, 2], "a TLS handshake"),
            ([0x80, 0x2e, 1, 0], "an SSLv2 or SSLv3 handshake"),
            (*b"GET ", "an HTTP request"),
            (*b"PRI ", "an HTTP request"),
            (*b"SSH-", "an SSH greeting"),
            (*b"hell", "text"),
            ([0xff, 0xff, 0xff, 0xff], "a negative size"),
            ([0x7f, 0xff, 0xff, 0xff], "a size above the limit"),
            ([0, 0, 0, 0], "an empty request"),
        ] {
            assert_eq!(looks_like(first).0, expected, "{first:?}");
        }
    }
}
