package astraios$sandbox;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ExpressionStatementTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.LambdaExpressionTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.NewClassTree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A test with every value that it takes from a sample's object wrapped in {@link Guard#plain}.
 *
 * <p>A sample's object is {@code new X(...)}, {@code X} itself, or a variable of type {@code X}, where X is declared
 * neither by the test nor in java.lang or java.util. A call that is a statement of its own gives no value and stays.
 */
final class TestSource {
    private static final String CALL = "astraios$sandbox.Guard.plain(";

    /** The text to compile. */
    final String text;
    /** The test's own top-level types, in order. */
    final List<String> types;
    /** How many values are guarded. */
    final int calls;

    TestSource(String test) {
        try {
            JavacTask task = CompileServer.parser(test);
            CompilationUnitTree unit = task.parse().iterator().next();
            types = CompileServer.topLevel(unit);
            Map<Long, String> insertions = new TreeMap<>();
            Finder finder = new Finder(unit, Trees.instance(task).getSourcePositions());
            finder.scan(unit, null);
            calls = finder.found.size();
            for (MethodInvocationTree call : finder.found) {
                insertions.merge(finder.positions.getStartPosition(unit, call), CALL, (old, added) -> added + old);
                insertions.merge(finder.positions.getEndPosition(unit, call), ")", (old, added) -> added + old);
            }
            text = insert(test, insertions);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private static String insert(String source, Map<Long, String> insertions) {
        StringBuilder result = new StringBuilder();
        int position = 0;
        for (Map.Entry<Long, String> each : insertions.entrySet()) {
            int next = Math.toIntExact(each.getKey());
            result.append(source, position, next).append(each.getValue());
            position = next;
        }
        return result.append(source.substring(position)).toString();
    }

    /** True for the simple name of a type in java.lang or java.util. */
    static boolean belongsToJdk(String name) {
        for (String prefix : List.of("java.lang.", "java.util.")) {
            try {
                Class.forName(prefix + name, false, null);
                return true;
            } catch (ClassNotFoundException | NoClassDefFoundError absent) {
                continue; // NoClassDefFoundError: a name that differs in case alone
            }
        }
        return false;
    }

    /** Finds the calls to guard. */
    private static final class Finder extends TreePathScanner<Void, Void> {
        final SourcePositions positions;
        final List<MethodInvocationTree> found = new java.util.ArrayList<>();
        private final Set<String> declared = new HashSet<>();
        private final Set<String> variables = new HashSet<>();

        Finder(CompilationUnitTree unit, SourcePositions positions) {
            this.positions = positions;
            new TreeScanner<Void, Void>() {
                @Override
                public Void visitClass(ClassTree tree, Void nothing) {
                    declared.add(tree.getSimpleName().toString());
                    return super.visitClass(tree, nothing);
                }
            }.scan(unit, null);
            new TreeScanner<Void, Void>() {
                @Override
                public Void visitVariable(VariableTree tree, Void nothing) {
                    boolean inferred = tree.getType() == null || tree.getType().toString().equals("var");
                    if (inferred ? isNew(tree.getInitializer()) : isSampleType(tree.getType().toString())) {
                        variables.add(tree.getName().toString());
                    }
                    return super.visitVariable(tree, nothing);
                }
            }.scan(unit, null);
        }

        private boolean isSampleType(String name) {
            return name.matches("[A-Z]\\w*") && !declared.contains(name) && !belongsToJdk(name);
        }

        private boolean isNew(ExpressionTree tree) {
            return tree instanceof NewClassTree && isSampleType(((NewClassTree) tree).getIdentifier().toString());
        }

        @Override
        public Void visitMethodInvocation(MethodInvocationTree tree, Void nothing) {
            TreePath parent = getCurrentPath().getParentPath();
            boolean statement = parent.getLeaf() instanceof ExpressionStatementTree
                    || parent.getLeaf() instanceof LambdaExpressionTree;
            if (!statement && tree.getMethodSelect() instanceof MemberSelectTree) {
                ExpressionTree receiver = ((MemberSelectTree) tree.getMethodSelect()).getExpression();
                String name = receiver instanceof IdentifierTree ? receiver.toString() : "";
                if (variables.contains(name) || isSampleType(name) || isNew(receiver)) {
                    found.add(tree);
                }
            }
            return super.visitMethodInvocation(tree, nothing);
        }
    }
}
