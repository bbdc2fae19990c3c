#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    #[pg_test]
    fn one() {
        assert_eq!(1, 1);
    }
}
