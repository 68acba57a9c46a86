//! Reads the pickle of a PyTorch state dict into objects without executing it. Reading stops at a
//! callable that a state dict does not need. Supports the opcodes of protocol 2, which `torch.save`
//! writes (`Lib/pickletools.py` describes them).
//!
//! Every opcode creates at most one object and nothing recurses, so memory grows with the bytes
//! read, whose number is limited.

use std::collections::HashMap;
use std::io::{self, Read};

use super::object::{Global, Id, Object};
use crate::hugging_face::Error;

/// A state dict of ELECTRA-Large has 60 kB.
pub(super) const MAX_BYTES: u64 = 4 << 20;
pub(super) const MAX_OBJECTS: usize = 1 << 20;
/// Limit for a module's name and for a name in it.
const MAX_GLOBAL_BYTES: usize = 256;

/// A pickle being read.
pub(super) struct Machine<'a> {
    file: &'a str,
    reader: &'a mut dyn Read,
    offset: u64,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    pub fn new(file: &'a str, reader: &'a mut dyn Read) -> Self {
        Self {
            file,
            reader,
            offset: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Reads to the end of the pickle; returns every object, the id of the last, and the number of
    /// bytes read.
    pub fn run(mut self) -> Result<(Vec<Object>, Id, u64), Error> {
        loop {
            let [code] = self.bytes()?;
            match code {
                0x80 => {
                    let [version] = self.bytes()?;
                    if version > 2 {
                        return Err(self.refused(format!(
                            "protocol {version}; only protocol 2 is read, torch.save's default"
                        )));
                    }
                }
                b'.' => break,
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Object::None)?,
                0x88 => self.push(Object::Bool(true))?,
                0x89 => self.push(Object::Bool(false))?,
                b'J' => {
                    let value = i32::from_le_bytes(self.bytes()?);
                    self.push(Object::Int(value.into()))?;
                }
                b'K' => {
                    let [value] = self.bytes()?;
                    self.push(Object::Int(value.into()))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.bytes()?);
                    self.push(Object::Int(value.into()))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    let value = f64::from_be_bytes(self.bytes()?);
                    self.push(Object::Float(value))?;
                }
                b'X' | b'T' => {
                    let length = u32::from_le_bytes(self.bytes()?);
                    self.text(length)?;
                }
                b'U' => {
                    let [length] = self.bytes()?;
                    self.text(length.into())?;
                }
                b')' => self.push(Object::Tuple(Vec::new()))?,
                b']' => self.push(Object::List(Vec::new()))?,
                b'}' => self.push(Object::Dict(Vec::new()))?,
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Object::Tuple(items))?;
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let items = self.take(count)?;
                    self.push(Object::Tuple(items))?;
                }
                b'a' => {
                    let items = self.take(1)?;
                    self.append(items)?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let items = self.take(2)?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set_items(&items)?;
                }
                b'q' => {
                    let [place] = self.bytes()?;
                    self.put(place.into())?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.bytes()?);
                    self.put(place)?;
                }
                b'h' => {
                    let [place] = self.bytes()?;
                    self.get(place.into())?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.bytes()?);
                    self.get(place)?;
                }
                b'c' => self.global()?,
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                b'Q' => {
                    let description = self.pop()?;
                    self.push(Object::Persistent(description))?;
                }
                code => return Err(self.refused(format!("opcode {code:#04x}"))),
            }
        }
        let root = self.pop()?;
        Ok((self.objects, root, self.offset))
    }

    fn refused(&self, what: impl Into<String>) -> Error {
        Error::Pickle {
            file: self.file.into(),
            offset: self.offset,
            what: what.into(),
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.reader
            .read_exact(buffer)
            .map_err(|error| self.unread(error))?;
        self.advance(buffer.len() as u64)
    }

    fn unread(&self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.refused("it ends here; the file is cut off"),
            _ => Error::Read {
                file: self.file.into(),
                source,
            },
        }
    }

    fn advance(&mut self, count: u64) -> Result<(), Error> {
        self.offset += count;
        if self.offset > MAX_BYTES {
            return Err(self.refused(format!("more than the {MAX_BYTES} bytes that are read")));
        }
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn push(&mut self, object: Object) -> Result<(), Error> {
        if self.objects.len() == MAX_OBJECTS {
            return Err(self.refused(format!("more than the {MAX_OBJECTS} objects that are kept")));
        }
        self.stack.push(self.objects.len() as Id);
        self.objects.push(object);
        Ok(())
    }

    /// Pops objects off the stack, but none below the last mark.
    fn take(&mut self, count: usize) -> Result<Vec<Id>, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count);
        match start.filter(|&start| start >= floor) {
            Some(start) => Ok(self.stack.split_off(start)),
            None => Err(self.refused("takes more from the stack than there is")),
        }
    }

    fn pop(&mut self) -> Result<Id, Error> {
        Ok(self.take(1)?[0])
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Error> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.refused("looks for a mark that was not set")),
        }
    }

    /// Returns the object on top of the stack without popping it.
    fn top(&mut self) -> Result<Id, Error> {
        let top = self.pop()?;
        self.stack.push(top);
        Ok(top)
    }

    fn long(&mut self) -> Result<(), Error> {
        let [length] = self.bytes()?;
        let length = usize::from(length);
        let mut bytes = [0; 16];
        if length > bytes.len() {
            return Err(self.refused(format!("a number of {length} bytes")));
        }
        self.read_exact(&mut bytes[..length])?;
        if let Some(last) = bytes[..length].last()
            && last & 0x80 != 0
        {
            bytes[length..].fill(0xff);
        }
        self.push(Object::Int(i128::from_le_bytes(bytes)))
    }

    fn text(&mut self, length: u32) -> Result<(), Error> {
        let mut bytes = Vec::new();
        // Grows with the bytes present, not with the length claimed.
        let left = MAX_BYTES.saturating_sub(self.offset).saturating_add(1);
        (&mut *self.reader)
            .take(u64::from(length).min(left))
            .read_to_end(&mut bytes)
            .map_err(|error| self.unread(error))?;
        self.advance(bytes.len() as u64)?;
        if bytes.len() as u64 != u64::from(length) {
            return Err(self.refused(format!(
                "a text of {length} bytes reaches past the end; the file is cut off"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.refused("a text is not UTF-8"))?;
        self.push(Object::Text(text))
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        loop {
            match self.bytes()? {
                [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
                [byte] => line.push(byte),
            }
            if line.len() > MAX_GLOBAL_BYTES {
                return Err(self.refused("a name without an end"));
            }
        }
    }

    fn global(&mut self) -> Result<(), Error> {
        let (module, name) = (self.line()?, self.line()?);
        match Global::find(&module, &name) {
            Some(global) => self.push(Object::Global(global)),
            None => Err(Error::Global {
                file: self.file.into(),
                name: format!("{module}.{name}"),
            }),
        }
    }

    fn reduce(&mut self) -> Result<(), Error> {
        let parts = self.take(2)?;
        let (callable, arguments) = (parts[0], parts[1]);
        let Object::Global(callable) = self.objects[callable as usize] else {
            return Err(self.refused("calls what is no callable"));
        };
        let Object::Tuple(items) = &self.objects[arguments as usize] else {
            return Err(self.refused("calls with what is no tuple"));
        };
        match callable {
            Global::OrderedDict if items.is_empty() => self.push(Object::Dict(Vec::new())),
            Global::RebuildTensor | Global::RebuildParameter => {
                self.push(Object::Call(callable, arguments))
            }
            Global::OrderedDict | Global::Storage(_) => {
                Err(self.refused(format!("calls {callable:?} with {} values", items.len())))
            }
        }
    }

    /// Ignores a state dict's attributes (`_metadata`, versions of modules), which say nothing
    /// about its tensors.
    fn build(&mut self) -> Result<(), Error> {
        self.pop()?;
        let target = self.top()?;
        match self.objects[target as usize] {
            Object::Dict(_) => Ok(()),
            _ => Err(self.refused("gives attributes to what is no dictionary")),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Error> {
        let target = self.top()?;
        match &mut self.objects[target as usize] {
            Object::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(self.refused("appends to what is no list")),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), Error> {
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.objects[target as usize] {
            Object::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            Object::Dict(_) => Err(self.refused("a key without a value")),
            _ => Err(self.refused("sets items of what is no dictionary")),
        }
    }

    fn put(&mut self, place: u32) -> Result<(), Error> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn get(&mut self, place: u32) -> Result<(), Error> {
        match self.memo.get(&place) {
            Some(&id) => {
                self.stack.push(id);
                // A reference to an existing object creates none, but occupies the stack.
                if self.stack.len() > MAX_OBJECTS {
                    return Err(self.refused("a stack without an end"));
                }
                Ok(())
            }
            None => Err(self.refused(format!("asks for memo {place}, which was not set"))),
        }
    }
}
