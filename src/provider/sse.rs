//! Lines into server-sent events.
//!
//! Source: [HTML, section 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use super::lines::Lines;
use super::lines::TooLong;
use alloc::string::String;
use alloc::vec::Vec;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; empty where the server names none.
    pub name: String,
    /// Its data; lines of it are joined by `\n`.
    pub data: String,
}

/// Collects the events of a stream. Comments, ids and unknown fields are passed over.
#[derive(Debug, Default)]
pub struct Events {
    lines: Lines,
    next: Event,
    has_data: bool,
    begun: bool,
}

impl Events {
    /// Appends the events that `bytes` complete.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), TooLong> {
        let mut lines = core::mem::take(&mut self.lines);
        let pushed = lines.push(bytes, |line| self.line(line, out));
        self.lines = lines;
        pushed
    }

    /// Appends the last event of a stream that does not end in an empty line. Unlike browsers, which
    /// drop it: servers of models forget that line.
    pub fn end(&mut self, out: &mut Vec<Event>) {
        let mut lines = core::mem::take(&mut self.lines);
        lines.end(|line| self.line(line, out));
        self.line("", out);
    }

    fn line(&mut self, line: &str, out: &mut Vec<Event>) {
        let is_first = !core::mem::replace(&mut self.begun, true);
        let line = match line.strip_prefix('\u{feff}') {
            Some(rest) if is_first => rest,
            _ => line,
        };
        if line.is_empty() {
            let event = core::mem::take(&mut self.next);
            if core::mem::take(&mut self.has_data) {
                out.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if core::mem::replace(&mut self.has_data, true) {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
            }
            "event" => self.next.name = value.into(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event;
    use super::Events;
    use alloc::vec::Vec;

    fn event(name: &str, data: &str) -> Event {
        let (name, data) = (name.into(), data.into());
        Event { name, data }
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        let stream = "\u{feff}: hello\r\nevent: note\r\ndata: {\"a\":\"ü\"}\r\nid: 7\r\n\r\n\
            data:one\ndata:\ndata:  two\n\nevent: empty\n\nretry: 5\rdata\r\rdata: last";
        let wanted = [
            event("note", "{\"a\":\"ü\"}"),
            event("", "one\n\n two"),
            event("", ""),
            event("", "last"),
        ];
        let bytes = stream.as_bytes();
        for cut in 0..=bytes.len() {
            let mut found = Vec::new();
            let mut events = Events::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                events.push(part, &mut found).expect("short");
            }
            events.end(&mut found);
            assert_eq!(found, wanted, "{cut}");
        }
    }
}
