/** Boot in visible order. */
