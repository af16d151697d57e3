package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parsed is one package's files without its tests.
func parsed(t *testing.T, p pkg) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var all []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return fset, all
}

func TestComments_everyPackage(t *testing.T) {
	for _, p := range packages(t) {
		_, files := parsed(t, p)
		n := 0
		for _, f := range files {
			if f.Doc != nil {
				n++
				if text := f.Doc.Text(); len(text) < 80 {
					t.Errorf("%s: the package comment says too little: %q", p.short(), text)
				}
			}
		}
		if n != 1 {
			t.Errorf("%s has %d package comments, want 1: what it owns, what it promises, what it needs, which goroutines it starts", p.short(), n)
		}
	}
}

func TestComments_everyExportedName(t *testing.T) {
	for _, p := range packages(t) {
		fset, files := parsed(t, p)
		for _, f := range files {
			if ast.IsGenerated(f) {
				continue // its contract is the file it was made of
			}
			for _, d := range f.Decls {
				for _, name := range undocumented(d) {
					t.Errorf("%s: %s has no comment", strings.TrimPrefix(fset.Position(d.Pos()).String(), filepath.Dir(p.Dir)+"/"), name)
				}
			}
		}
	}
}

// undocumented returns the exported names of a declaration that no comment covers. Constants and variables of a group
// are covered by the group's comment or by one on their own line.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && receiverExported(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
		return names
	}
	return nil
}

// receiverExported reports whether a method can be seen from outside: its type is exported. A function can.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return true
		}
	}
}
