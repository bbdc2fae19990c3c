//! What an installation or a migration reports.

/// What happened that the DBA should know.
#[derive(Default)]
pub struct Report {
    /// What the DBA must act on.
    pub warnings: Vec<String>,
    /// What is worth knowing and asks for nothing.
    pub information: Vec<String>,
}

impl Report {
    /// Adds something that the DBA must act on.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Adds something that is worth knowing.
    pub fn inform(&mut self, text: impl Into<String>) {
        self.information.push(text.into());
    }
}
