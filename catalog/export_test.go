package catalog

// Rows are the rows that declare t's own options.
func (t *ServiceType) Rows() []row { return t.rows }

// CommonRows are those of the options that every type has.
func CommonRows() []row { return commonRows }
