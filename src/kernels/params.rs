//! Shader parameters by name: a Rust struct that generates its own WGSL declaration and its words.
//!
//! Everything that shaders read this way is 4 bytes wide or composed of such values, so WGSL lays
//! the fields out without padding.

use crate::packed::random::Mask;

/// A value that shaders can read.
pub trait Params {
    /// Returns the name of its WGSL type.
    fn wgsl() -> String;

    /// Adds the declarations that the type needs, each only once.
    fn declare(declarations: &mut Vec<String>);

    /// Appends its words.
    fn push(&self, words: &mut Vec<u32>);
}

/// Defines a struct that shaders read, with its fields in this order. With `impl`, implements the
/// trait for a struct defined elsewhere.
macro_rules! params {
    (
        $(#[$attr:meta])*
        pub struct $name:ident { $($(#[$field_attr:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$attr])*
        #[derive(Debug, Default)]
        pub struct $name {
            $($(#[$field_attr])* pub $field: $type,)*
        }

        $crate::kernels::params::params!(impl $name { $($field: $type,)* });
    };
    (impl $name:ident { $($field:ident: $type:ty,)* }) => {
        impl $crate::kernels::params::Params for $name {
            fn wgsl() -> String {
                stringify!($name).to_owned()
            }

            fn declare(declarations: &mut Vec<String>) {
                use $crate::kernels::params::Params;
                let mut declaration = format!("struct {} {{\n", stringify!($name));
                $(
                    <$type as Params>::declare(declarations);
                    let line = format!("    {}: {},\n", stringify!($field), <$type>::wgsl());
                    declaration.push_str(&line);
                )*
                declaration.push_str("}\n\n");
                if !declarations.contains(&declaration) {
                    declarations.push(declaration);
                }
            }

            fn push(&self, words: &mut Vec<u32>) {
                let Self { $($field),* } = self;
                $($crate::kernels::params::Params::push($field, words);)*
            }
        }
    };
}

pub(super) use params;

/// Adds `P` to the WGSL `text`, bound as `params` after all arrays, where the runtime binds it. The
/// binding is read-only, which tells WGSL compilers that the values are uniform over all threads.
pub(super) fn with_params<P: Params>(text: String) -> String {
    let mut declarations = Vec::new();
    P::declare(&mut declarations);
    let (declarations, name) = (declarations.concat(), P::wgsl());
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let arrays: usize = code.map(|line| line.matches("@binding(").count()).sum();
    format!(
        "{text}\n{declarations}@group(0) @binding({arrays}) var<storage, read> params: {name};\n"
    )
}

impl Params for u32 {
    fn wgsl() -> String {
        "u32".to_owned()
    }

    fn declare(_declarations: &mut Vec<String>) {}

    fn push(&self, words: &mut Vec<u32>) {
        words.push(*self);
    }
}

impl Params for f32 {
    fn wgsl() -> String {
        "f32".to_owned()
    }

    fn declare(_declarations: &mut Vec<String>) {}

    fn push(&self, words: &mut Vec<u32>) {
        words.push(self.to_bits());
    }
}

impl<T: Params, const N: usize> Params for [T; N] {
    fn wgsl() -> String {
        format!("array<{}, {N}>", T::wgsl())
    }

    fn declare(declarations: &mut Vec<String>) {
        T::declare(declarations);
    }

    fn push(&self, words: &mut Vec<u32>) {
        for value in self {
            value.push(words);
        }
    }
}

/// An absent value is zeros; shaders that read it are specialised separately.
impl<T: Params + Default> Params for Option<T> {
    fn wgsl() -> String {
        T::wgsl()
    }

    fn declare(declarations: &mut Vec<String>) {
        T::declare(declarations);
    }

    fn push(&self, words: &mut Vec<u32>) {
        match self {
            Some(value) => value.push(words),
            None => T::default().push(words),
        }
    }
}

/// Last field only, of any length. A binding must hold at least one element, so an empty list is
/// written as zeros.
impl<T: Params + Default> Params for Vec<T> {
    fn wgsl() -> String {
        format!("array<{}>", T::wgsl())
    }

    fn declare(declarations: &mut Vec<String>) {
        T::declare(declarations);
    }

    fn push(&self, words: &mut Vec<u32>) {
        for value in self {
            value.push(words);
        }
        if self.is_empty() {
            T::default().push(words);
        }
    }
}

params!(impl Mask { counter: u32, threshold: u32, scale: f32, });

#[cfg(test)]
mod tests {
    use super::*;

    params! {
        pub struct Tile {
            pub first: u32,
            pub share: f32,
        }
    }

    params! {
        pub struct Example {
            pub rows: u32,
            pub mask: Option<Mask>,
            pub pair: [f32; 2],
            pub tiles: Vec<Tile>,
        }
    }

    fn words(params: &impl Params) -> Vec<u32> {
        let mut words = Vec::new();
        params.push(&mut words);
        words
    }

    #[test]
    fn a_struct_writes_its_declaration_and_its_words_in_the_same_order() {
        assert_eq!(
            with_params::<Example>(
                "// Not @binding(9).\n@group(0) @binding(0) var<storage, read_write> a: f32;\n"
                    .into()
            ),
            "// Not @binding(9).\n@group(0) @binding(0) var<storage, read_write> a: f32;\n\nstruct Mask {\n    counter: u32,\n    threshold: u32,\n    scale: f32,\n}\n\n\
             struct Tile {\n    first: u32,\n    share: f32,\n}\n\n\
             struct Example {\n    rows: u32,\n    mask: Mask,\n    pair: array<f32, 2>,\n    \
             tiles: array<Tile>,\n}\n\n\
             @group(0) @binding(1) var<storage, read> params: Example;\n"
        );
        let mut example = Example {
            rows: 7,
            mask: Some(Mask {
                counter: 1,
                threshold: 2,
                scale: 3.0,
            }),
            pair: [4.0, 5.0],
            tiles: vec![
                Tile {
                    first: 6,
                    share: 8.0,
                },
                Tile {
                    first: 9,
                    share: 0.5,
                },
            ],
        };
        let bits = f32::to_bits;
        assert_eq!(
            words(&example),
            [
                7,
                1,
                2,
                bits(3.0),
                bits(4.0),
                bits(5.0),
                6,
                bits(8.0),
                9,
                bits(0.5)
            ]
        );
        example.mask = None;
        example.tiles.clear();
        assert_eq!(words(&example), [7, 0, 0, 0, bits(4.0), bits(5.0), 0, 0]);
    }
}
