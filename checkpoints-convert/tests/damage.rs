//! Damaged and hostile input from outside: each is refused, with the file's or the tensor's
//! name. What only a crafted index can hold is tested beside the index reader.

mod fixture;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use checkpoints_convert::{inspect, is_checkpoint};
use fixture::{config, convert, golden, variables, verify, write};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// A small checkpoint in a folder of its own, and its index and data file.
fn checkpoint() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "m", 1, &variables(&config(&[])));
    let index = folder.path().join("m.index");
    let data = folder.path().join("m.data-00000-of-00001");
    (folder, index, data)
}

fn refusal(input: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let error = convert(input, &out.path().join("new"))
        .unwrap_err()
        .to_string();
    assert!(!out.path().join("new").exists());
    error
}

#[test]
fn one_flipped_bit_in_the_data_is_refused_with_the_tensor_s_name() {
    let (folder, _, data) = checkpoint();
    let out = tempfile::tempdir().unwrap();
    convert(folder.path(), out.path()).unwrap();
    let rows = inspect(folder.path()).unwrap().variables;
    for row in &rows {
        let place = row.offset as usize + row.size as usize / 2;
        fixture::flip_bit(&data, place);
        let named = format!("tensor {:?} is damaged", row.name);
        let error = refusal(folder.path());
        assert!(error.contains(&named), "{error}");
        let error = verify(folder.path(), out.path()).unwrap_err().to_string();
        assert!(error.contains(&named), "{error}");
        fixture::flip_bit(&data, place);
    }
    assert!(verify(folder.path(), out.path()).unwrap().is_equal());
}

#[test]
fn one_flipped_bit_anywhere_in_the_index_is_refused() {
    let (folder, index, _) = checkpoint();
    let bytes = fs::read(&index).unwrap();
    // The footer pads its two handles with zeros that no reader looks at.
    let magic = bytes.len() - 8;
    let zeros = bytes[..magic]
        .iter()
        .rev()
        .take_while(|&&byte| byte == 0)
        .count();
    assert!((30..36).contains(&zeros), "two short handles in 40 bytes");
    let padding = magic - zeros..magic;
    for place in (0..bytes.len()).filter(|place| !padding.contains(place)) {
        fixture::flip_bit(&index, place);
        let error = inspect(folder.path()).map(|found| found.totals);
        assert!(error.is_err(), "byte {place} of {}", bytes.len());
        fixture::flip_bit(&index, place);
    }
}

#[test]
fn an_index_cut_off_anywhere_is_refused() {
    let (folder, index, _) = checkpoint();
    let bytes = fs::read(&index).unwrap();
    for length in 0..bytes.len() {
        fs::write(&index, &bytes[..length]).unwrap();
        let error = inspect(folder.path()).unwrap_err().to_string();
        assert!(error.contains("m.index"), "{length}: {error}");
    }
}

#[test]
fn a_data_file_that_is_cut_off_or_missing_is_named() {
    let (folder, _, data) = checkpoint();
    let bytes = fs::read(&data).unwrap();
    fs::write(&data, &bytes[..bytes.len() - 1]).unwrap();
    let error = refusal(folder.path());
    assert!(
        error.contains("m.data-00000-of-00001") && error.contains("cut off"),
        "{error}"
    );
    fs::remove_file(&data).unwrap();
    let error = refusal(folder.path());
    assert!(error.contains("m.data-00000-of-00001: missing"), "{error}");
}

#[test]
fn a_damaged_record_is_no_true_copy() {
    let (folder, _, _) = checkpoint();
    let out = tempfile::tempdir().unwrap();
    convert(folder.path(), out.path()).unwrap();
    let record = out.path().join("model.bpk");
    let length = fs::metadata(&record).unwrap().len() as usize;
    fixture::flip_bit(&record, length - 2);
    let found = verify(folder.path(), out.path()).unwrap();
    assert_eq!(found.differences.len(), 1);
    fs::write(&record, "no record").unwrap();
    let error = verify(folder.path(), out.path()).unwrap_err().to_string();
    assert!(
        error.contains("model.bpk: cannot read the record"),
        "{error}"
    );
}

/// An archive with these members, each stored or deflated.
fn archive(path: &Path, members: &[(&str, &[u8])], method: CompressionMethod) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// The members of the projected golden archive, by name.
fn golden_members() -> Vec<(String, Vec<u8>)> {
    let mut zip =
        ZipArchive::new(File::open(golden("electra_tiny_projected.zip")).unwrap()).unwrap();
    (0..zip.len())
        .map(|number| {
            let mut member = zip.by_index(number).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (member.name().to_owned(), bytes)
        })
        .collect()
}

fn borrowed(members: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    members
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect()
}

#[test]
fn stored_members_are_as_good_as_deflated_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stored.zip");
    archive(
        &path,
        &borrowed(&golden_members()),
        CompressionMethod::Stored,
    );
    let out = tempfile::tempdir().unwrap();
    convert(&golden("electra_tiny_projected.zip"), out.path()).unwrap();
    assert!(verify(&path, out.path()).unwrap().is_equal());
}

#[test]
fn one_flipped_bit_in_a_stored_member_is_refused_with_the_tensor_s_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stored.zip");
    archive(
        &path,
        &borrowed(&golden_members()),
        CompressionMethod::Stored,
    );
    let rows = inspect(&path).unwrap().variables;
    let row = rows
        .iter()
        .find(|row| row.name.ends_with("word_embeddings"))
        .unwrap();
    let (_, data) = golden_members()
        .into_iter()
        .find(|(name, _)| name.contains(".data-"))
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    let start = bytes
        .windows(64)
        .position(|window| window == &data[..64])
        .unwrap();
    fixture::flip_bit(&path, start + row.offset as usize + 1000);
    let error = refusal(&path);
    assert!(
        error.contains("\"electra/embeddings/word_embeddings\" is damaged"),
        "{error}"
    );
}

#[test]
fn members_that_would_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in ["/etc/passwd", "../../x", "electra/../../x"]
        .into_iter()
        .enumerate()
    {
        let path = folder.path().join(format!("{number}.zip"));
        let golden = golden_members();
        let mut members = borrowed(&golden);
        members.push((name, b"x"));
        archive(&path, &members, CompressionMethod::Deflated);
        let error = refusal(&path);
        assert!(error.contains("would leave the folder"), "{name}: {error}");
        assert!(!is_checkpoint(&path));
    }
}

#[test]
fn checkpoints_in_two_folders_of_an_archive_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.zip");
    archive(
        &path,
        &[("a/m.index", b""), ("b/m.index", b"")],
        CompressionMethod::Stored,
    );
    assert!(refusal(&path).contains("a/, b/"));
}

#[test]
fn an_archive_that_is_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.zip");
    let bytes = fs::read(golden("electra_tiny.zip")).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = refusal(&path);
    assert!(
        error.contains("cut.zip: cannot read the archive"),
        "{error}"
    );
}

/// Replaces a member's uncompressed size in the central directory.
fn claim_size(path: &Path, member: &str, size: u32) {
    let mut bytes = fs::read(path).unwrap();
    let name = member.as_bytes();
    // A central header has 46 bytes before the name; the size stands at 24.
    let header = (0..bytes.len() - 46 - name.len())
        .find(|&at| bytes[at..].starts_with(b"PK\x01\x02") && bytes[at + 46..].starts_with(name))
        .unwrap();
    bytes[header + 24..header + 28].copy_from_slice(&size.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn sizes_that_an_archive_only_claims_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.zip");
    let data = "electra_tiny_projected/electra_tiny_projected.data-00000-of-00001";
    for (size, expected) in [
        (u32::MAX - 1, "which is not possible"),
        (3_313_421, "holds less than its stated 3313421 bytes"),
        (3_313_419, "cut off, or does not belong to this index"),
    ] {
        fs::copy(golden("electra_tiny_projected.zip"), &path).unwrap();
        claim_size(&path, data, size);
        let error = refusal(&path);
        assert!(error.contains(expected), "{size}: {error}");
    }
}

#[test]
fn a_member_that_holds_more_than_it_claims_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.zip");
    let mut members = golden_members();
    for (name, bytes) in &mut members {
        if name.contains(".data-") {
            bytes.extend([0; 100]);
        }
    }
    archive(&path, &borrowed(&members), CompressionMethod::Deflated);
    let data = "electra_tiny_projected/electra_tiny_projected.data-00000-of-00001";
    claim_size(&path, data, 3_313_420);
    let error = refusal(&path);
    assert!(
        error.contains("holds more than its stated 3313420 bytes"),
        "{error}"
    );
}
