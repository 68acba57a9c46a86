            // Fetches a slice; a whole slice needs no depth check for each piece.
            if slice.x + number == {{ operand }}u {
                let at_left = at_left(slice.y, first_row, thread);
                let at_right = at_right(slice.y, first_column, thread);
                if slice.y + DEPTH <= params.k {
                    next_left~ = {{ left }};
                    next_right? = {{ right }};
                } else {
                    next_left~ = {{ last_left }};
                    next_right? = {{ last_right }};
                    next_left~ = within_left(depth_left(slice.y, thread, ~u), next_left~);
                    next_right? = within_right(depth_right(slice.y, thread, ?u), next_right?);
                }
            }
