package astraios$sandbox;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.Trees;
import java.util.ArrayList;
import java.util.List;
import javax.lang.model.element.Element;
import javax.lang.model.element.TypeElement;

/** Refuses samples that change what the names in the test mean. */
final class Shadows {
    private Shadows() {}

    /**
     * Why this analyzed program must not run, or null.
     *
     * @param sampleLength where the sample ends; the test's types must begin after it and be the unit's last
     */
    static String refusal(JavacTask task, CompilationUnitTree unit, int sampleLength, TestSource test) {
        if (unit.getPackageName() != null) {
            return "the sample declares a package, so there is no class Main to run";
        }
        Trees trees = Trees.instance(task);
        SourcePositions positions = trees.getSourcePositions();
        List<Tree> own = new ArrayList<>();
        List<String> sampleTypes = new ArrayList<>(CompileServer.topLevel(unit));
        for (Tree each : unit.getTypeDecls()) {
            if (positions.getStartPosition(unit, each) >= sampleLength) {
                own.add(each);
            }
        }
        int first = sampleTypes.size() - test.types.size();
        if (first < 0 || !sampleTypes.subList(first, sampleTypes.size()).equals(test.types)
                || own.size() < test.types.size()) {
            return "the sample runs into the test";
        }
        List<String> names = sampleTypes.subList(0, first);
        for (Tree each : own) {
            String shadowed = shadowed(trees, TreePath.getPath(unit, each), names);
            if (shadowed != null) {
                return "the sample redefines " + shadowed + ", which the test uses";
            }
        }
        return null;
    }

    /** A type of the JDK that the test names and that means something else here, or null. */
    private static String shadowed(Trees trees, TreePath test, List<String> sampleTypes) {
        return new TreePathScanner<String, Void>() {
            @Override
            public String visitIdentifier(IdentifierTree tree, Void nothing) {
                Element element = trees.getElement(getCurrentPath());
                if (!(element instanceof TypeElement)) {
                    return null;
                }
                String name = ((TypeElement) element).getQualifiedName().toString();
                return sampleTypes.contains(name) && TestSource.belongsToJdk(name) ? name : null;
            }

            @Override
            public String reduce(String one, String other) {
                return one != null ? one : other;
            }
        }.scan(test, null);
    }
}
