/// Says whether a request may be made twice: whether a second try does no harm where the first one did all or part of its
/// work before it failed.
///
/// Functions and closures from `&Request` to `bool` say so.
pub trait Idempotent<Request> {
    /// Whether `request` may be tried again.
    fn is_idempotent(&self, request: &Request) -> bool;
}

impl<F, Request> Idempotent<Request> for F
where
    F: Fn(&Request) -> bool,
{
    fn is_idempotent(&self, request: &Request) -> bool {
        self(request)
    }
}

/// What a policy takes requests for that was told nothing: none may be made twice.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoneIdempotent;

impl<Request> Idempotent<Request> for NoneIdempotent {
    fn is_idempotent(&self, _request: &Request) -> bool {
        false
    }
}
