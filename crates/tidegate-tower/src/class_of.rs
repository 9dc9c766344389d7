use tidegate_limiter::Class;

/// Says which [`Class`] a request is of: on whose behalf it is made, how much it needs, how urgent it is, and until when.
///
/// Functions and closures from `&Request` to [`Class`] say so.
/// It runs on the task of the call, before the call is admitted, so it should be quick.
///
/// ```
/// use tidegate_limiter::{Class, Key};
/// use tidegate_tower::ClassOf;
///
/// struct Question {
///     job: u64,
///     connections: u32,
/// }
///
/// let by_job = |question: &Question| Class::default().key(Key::new(question.job)).weight(question.connections);
/// assert_eq!(
///     by_job.class_of(&Question { job: 17, connections: 2 }),
///     Class::default().key(Key::new(17_u64)).weight(2),
/// );
/// ```
pub trait ClassOf<Request> {
    /// The class of `request`.
    fn class_of(&self, request: &Request) -> Class;
}

impl<F, Request> ClassOf<Request> for F
where
    F: Fn(&Request) -> Class,
{
    fn class_of(&self, request: &Request) -> Class {
        self(request)
    }
}

/// The classes of a layer that was told none: every request is of [`Class::default`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OneClass;

impl<Request> ClassOf<Request> for OneClass {
    fn class_of(&self, _request: &Request) -> Class {
        Class::default()
    }
}
