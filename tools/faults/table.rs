//! The table of faults, `faults.txt`.

/// One fault of the table.
#[derive(Default)]
pub struct Fault {
    pub name: String,
    pub file: String,
    /// What is there, and what takes its place.
    pub edits: Vec<(String, String)>,
    pub filter: String,
}

impl Fault {
    /// The file with the fault in it. Err: lines that are not there exactly once.
    pub fn put_into(&self, file: &str) -> Result<String, String> {
        let mut changed = file.to_owned();
        for (removed, added) in &self.edits {
            if changed.matches(removed.as_str()).count() != 1 {
                return Err(removed.clone());
            }
            changed = changed.replacen(removed.as_str(), added, 1);
        }
        Ok(changed)
    }
}

/// The table, of the form that it explains itself.
pub fn read(text: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut was_removing = false;
    for line in text.lines() {
        let rest = |word: &str| line.strip_prefix(word).map(str::to_owned);
        if let Some(name) = rest("fault ") {
            faults.push(Fault { name, ..Fault::default() });
        }
        let Some(fault) = faults.last_mut() else {
            continue;
        };
        if let Some(file) = rest("file ") {
            fault.file = file;
        } else if let Some(filter) = rest("test ") {
            fault.filter = filter;
        } else if let Some(removed) = rest("- ") {
            if !was_removing {
                fault.edits.push(Default::default());
            }
            let edit = fault.edits.last_mut().unwrap();
            edit.0 += &(removed + "\n");
        } else if let Some(added) = rest("+ ") {
            let edit = fault.edits.last_mut().unwrap();
            edit.1 += &(added + "\n");
        }
        was_removing = line.starts_with("- ");
    }
    faults
}
