//! Puts the tokens of lines together into examples, in the order of the corpus; nothing else depends on
//! order.

use std::io;

use super::{
    example_builder::{Draws, ExampleBuilder, Frame, Made},
    partial::Position,
    settings::Settings,
    token_block::{Line, TokenBlock},
    token_file::Counts,
    token_writer::TokenWriter,
};

pub(super) struct Assembler<D> {
    builder: ExampleBuilder,
    pub draws: D,
    pub writer: TokenWriter,
    max_seq_length: usize,
    blanks_separate_docs: bool,
    /// A line that continues in the next block.
    begun: Begun,
    now: Position,
    /// After the last complete example; an interrupted run resumes here.
    pub safe: Position,
    /// The same position at the start of the current file.
    pub file_begin: Position,
}

#[derive(Default)]
struct Begun {
    ids: Vec<u32>,
    length: usize,
    unknown: usize,
    has_text: bool,
}

impl<D: Draws> Assembler<D> {
    /// Resumes at a position, or starts at the first file.
    pub fn new(
        settings: &Settings,
        draws: D,
        writer: TokenWriter,
        position: Option<Position>,
    ) -> Self {
        let max_seq_length = settings.max_seq_length;
        let builder = ExampleBuilder::new(Frame {
            max_seq_length,
            cls: settings.vocabulary.cls,
            sep: settings.vocabulary.sep,
        });
        let begin = Position {
            file: 0,
            lines: 0,
            examples: 0,
            target: builder.target(),
            in_document: false,
            counts: Counts::default(),
            written: writer.written(),
        };
        let now = position.unwrap_or(begin);
        let mut assembler = Self {
            builder,
            draws,
            writer,
            max_seq_length,
            blanks_separate_docs: settings.blanks_separate_docs,
            begun: Begun::default(),
            now,
            safe: now,
            file_begin: now,
        };
        match position {
            Some(position) => {
                assembler.builder.set_target(position.target);
                assembler
                    .draws
                    .turn_to(position.file, Some(position.examples));
            }
            None => assembler.begin_file(0),
        }
        assembler
    }

    pub fn counts(&self) -> &Counts {
        &self.now.counts
    }

    /// Adds the next block of the corpus.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn take(&mut self, block: &TokenBlock) -> io::Result<()> {
        let mut ids = block.ids.as_slice();
        for line in &block.lines {
            let (own, rest) = ids.split_at(line.ids);
            ids = rest;
            if line.is_whole && self.begun.is_empty() {
                self.line(own, line)?;
                continue;
            }
            self.begun.add(own, line, self.max_seq_length);
            if line.is_whole {
                let begun = std::mem::take(&mut self.begun);
                let whole = Line {
                    length: begun.length,
                    unknown: begun.unknown,
                    is_blank: !begun.has_text,
                    ..*line
                };
                self.line(&begun.ids, &whole)?;
            }
        }
        if block.is_last {
            self.end_document()?;
            self.begin_file(block.file + 1);
        }
        Ok(())
    }

    fn line(&mut self, ids: &[u32], line: &Line) -> io::Result<()> {
        self.now.lines += 1;
        let before = self.now.examples;
        if !line.is_blank {
            let counts = &mut self.now.counts;
            counts.tokens += line.length as u64;
            counts.unknown += line.unknown as u64;
            if line.length > 0 && !self.now.in_document {
                counts.documents += 1;
                self.now.in_document = true;
            }
            let made = self.builder.add(ids, line.length, &mut self.draws);
            write(made, &mut self.now, &mut self.writer, self.max_seq_length)?;
        }
        if line.ends_document || line.is_blank && self.blanks_separate_docs {
            self.end_document()?;
        }
        if self.now.examples > before {
            // The next line's draws are its own.
            self.draws.turn_to(self.now.file, Some(self.now.examples));
            self.save_place();
        }
        Ok(())
    }

    fn end_document(&mut self) -> io::Result<()> {
        self.now.in_document = false;
        let made = self.builder.end_document(&mut self.draws);
        write(made, &mut self.now, &mut self.writer, self.max_seq_length)
    }

    fn begin_file(&mut self, file: usize) {
        self.now.file = file;
        self.now.lines = 0;
        self.now.examples = 0;
        self.now.in_document = false;
        if !D::CARRIES_TARGET {
            self.draws.turn_to(file, None);
            self.builder.draw_target(&mut self.draws);
            self.draws.turn_to(file, Some(0));
        }
        self.save_place();
        self.file_begin = self.safe;
    }

    /// Makes the current position, at which no sentence is pending, the one to resume from.
    fn save_place(&mut self) {
        self.now.target = self.builder.target();
        self.now.written = self.writer.written();
        self.safe = self.now;
    }
}

fn write(
    made: Option<Made<'_>>,
    now: &mut Position,
    writer: &mut TokenWriter,
    max_seq_length: usize,
) -> io::Result<()> {
    let Some(Made { example, lost }) = made else {
        return Ok(());
    };
    now.examples += 1;
    now.counts.lost += lost as u64;
    now.counts.one_segment += u64::from(example.first == example.ids.len());
    now.counts.short += u64::from(example.ids.len() < max_seq_length);
    writer.write(example)
}

impl Begun {
    fn is_empty(&self) -> bool {
        self.length == 0 && !self.has_text
    }

    fn add(&mut self, ids: &[u32], part: &Line, max_seq_length: usize) {
        let room = max_seq_length.saturating_sub(self.ids.len());
        self.ids.extend_from_slice(&ids[..ids.len().min(room)]);
        self.length += part.length;
        self.unknown += part.unknown;
        self.has_text |= !part.is_blank;
    }
}
