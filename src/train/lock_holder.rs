//! The holder of a lock, as recorded in the locked file: a process and its machine. The system enforces the
//! lock; the record only tells people where to look.

use std::{
    env, fmt,
    fs::{self, File},
    io::{Read, Seek, Write},
};

/// The longest text to read; ours are shorter.
const LONGEST: u64 = 128;

/// Where Linux provides the host name.
const HOST_FILE: &str = "/proc/sys/kernel/hostname";

/// A process, shown as `process 4711 on node7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    process: u32,
    /// The host name, if the system provides it.
    host: Option<String>,
}

impl Holder {
    pub fn of_this_process() -> Self {
        let told = fs::read_to_string(HOST_FILE).ok();
        let told = told.or_else(|| env::var("HOSTNAME").ok());
        let told = told.or_else(|| env::var("COMPUTERNAME").ok());
        Self {
            process: std::process::id(),
            host: told.as_deref().and_then(name_of),
        }
    }

    /// The holder recorded in the file, if readable.
    pub fn of(file: &File) -> Option<Self> {
        Self::parse(&text_of(file)?)
    }

    /// Writes the holder into a file that is empty or has an earlier record. Ignores failures, which do not
    /// affect the lock.
    pub fn sign(&self, mut file: &File) {
        let ours = |text: &String| text.is_empty() || Self::parse(text).is_some();
        if text_of(file).as_ref().is_some_and(ours) {
            let line = format!("{self}\n");
            let signed = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(line.as_bytes()));
            if let Err(error) = signed {
                log::info!("a lock was not signed: {error}");
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('\n')?.strip_prefix("process ")?;
        let (process, host) = match text.split_once(" on ") {
            Some((process, host)) => (process, Some(name_of(host)?)),
            None => (text, None),
        };
        Some(Self {
            process: process.parse().ok()?,
            host,
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        match &self.host {
            Some(host) => write!(f, " on {host}"),
            None => Ok(()),
        }
    }
}

/// The text at the start of a file; `None` if it is longer, or not text.
fn text_of(mut file: &File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    let read = file.take(LONGEST).read_to_string(&mut text).ok()?;
    ((read as u64) < LONGEST).then_some(text)
}

/// A host name, if the text can be one.
fn name_of(told: &str) -> Option<String> {
    let name = told.trim_end();
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!name.is_empty() && name.bytes().all(may_stand)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_signed() {
        let mut file = tempfile::tempfile().unwrap();
        let holders = [(4711, Some("node-7.local")), (12, None)].map(|(process, host)| Holder {
            process,
            host: host.map(str::to_owned),
        });
        for holder in &holders {
            holder.sign(&file);
            assert_eq!(Holder::of(&file).as_ref(), Some(holder));
        }
        assert_eq!(holders[0].to_string(), "process 4711 on node-7.local");
        assert_eq!(holders[1].to_string(), "process 12");
        for text in [
            "notes\n",
            "process 7 on a \u{1b}[2J\n",
            "process x\n",
            "process 7 on node",
            &"process 1\n".repeat(20),
        ] {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(Holder::of(&file), None, "{text}");
            holders[0].sign(&file);
            assert_eq!(file.metadata().unwrap().len(), text.len() as u64, "{text}");
        }
    }
}
