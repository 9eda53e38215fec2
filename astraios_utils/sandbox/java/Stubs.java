package astraios$sandbox;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ImportTree;
import com.sun.source.util.JavacTask;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.lang.model.element.Element;
import javax.lang.model.element.ElementKind;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.TypeElement;
import javax.lang.model.element.TypeParameterElement;
import javax.lang.model.element.VariableElement;
import javax.lang.model.type.ArrayType;
import javax.lang.model.type.DeclaredType;
import javax.lang.model.type.ExecutableType;
import javax.lang.model.type.PrimitiveType;
import javax.lang.model.type.TypeKind;
import javax.lang.model.type.TypeMirror;
import javax.lang.model.type.TypeVariable;
import javax.lang.model.type.WildcardType;
import javax.lang.model.util.ElementFilter;
import javax.lang.model.util.Elements;
import javax.lang.model.util.Types;

/**
 * Prints the stubs that a test is compiled against: the sample's classes with the methods that the test may call, each
 * of which asks the sample's JVM.
 *
 * <p>The text holds nothing that a sample could choose freely. Names of methods and classes are words of the test,
 * types are classes of {@code java.*} by their full names, type variables are numbered, and annotations are left out.
 * A class of the sample that the test does not name, or whose name the JDK has too, is {@code Object} here. Only
 * members that the test names are printed, in a fixed order, so the stubs of most samples of a problem are equal.
 */
final class Stubs {
    private static final int LARGEST = 100_000;
    private static final int MAX_DEPTH = 20;
    private static final Pattern IMPORT = Pattern.compile("javax?(\\.[\\w$]+)+(\\.\\*)?");
    private static final String REMOTE = "astraios$sandbox.Remote";
    private static final String REF = "astraios$sandbox.Handle.Ref";
    private static final Set<String> STUBBED = Set.of("java.lang.Comparable", "java.lang.Iterable", "java.lang.Runnable",
            "java.lang.AutoCloseable", "java.util.Iterator", "java.util.Comparator", "java.util.concurrent.Callable",
            "java.util.function.Function", "java.util.function.BiFunction", "java.util.function.Supplier",
            "java.util.function.Consumer", "java.util.function.Predicate", "java.util.function.UnaryOperator",
            "java.util.function.BinaryOperator");
    private static Map<String, List<String>> jdkNames;

    private final Elements elements;
    private final Types types;
    private final Set<String> words;
    private final Map<Element, String> known = new LinkedHashMap<>();
    private final Map<Element, String> variables = new HashMap<>();
    private final StringBuilder out = new StringBuilder();

    private Stubs(JavacTask task, Set<String> words) {
        this.elements = task.getElements();
        this.types = task.getTypes();
        this.words = words;
    }

    /** The sample cannot be judged; the message says why. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why, null, false, false);
        }
    }

    /** The sample's imports from the JDK and the stubs, as source. */
    static String print(JavacTask task, CompilationUnitTree unit, Set<String> words) {
        if (unit.getPackageName() != null) {
            throw new Refused("the sample declares a package");
        }
        Stubs stubs = new Stubs(task, words);
        if (stubs.elements.getTypeElement("Main") != null) {
            throw new Refused("does not compile: duplicate class: Main");
        }
        stubs.imports(unit);
        List<TypeElement> top = stubs.topLevel(unit);
        top.forEach(stubs::learn);
        for (TypeElement each : top) {
            if (stubs.known.containsKey(each)) {
                stubs.type(each, "");
            }
        }
        if (stubs.out.length() > LARGEST) {
            throw new Refused("the sample declares too much for a test to call");
        }
        return stubs.out.toString();
    }

    private void imports(CompilationUnitTree unit) {
        Set<String> lines = new TreeSet<>();
        for (ImportTree each : unit.getImports()) {
            String name = each.getQualifiedIdentifier().toString();
            if (IMPORT.matcher(name).matches()) {
                lines.add("import " + (each.isStatic() ? "static " : "") + name + ";\n");
            }
        }
        lines.forEach(out::append);
    }

    private List<TypeElement> topLevel(CompilationUnitTree unit) {
        List<TypeElement> found = new ArrayList<>();
        for (com.sun.source.tree.Tree each : unit.getTypeDecls()) {
            if (each instanceof com.sun.source.tree.ClassTree) {
                TypeElement type = elements.getTypeElement(((com.sun.source.tree.ClassTree) each).getSimpleName());
                if (type != null) {
                    found.add(type);
                }
            }
        }
        found.sort(Comparator.comparing(type -> type.getSimpleName().toString()));
        return found;
    }

    /** Notes the names that a class and its nested classes have in the stubs, if they have any. */
    private void learn(TypeElement type) {
        String name = type.getSimpleName().toString();
        if (!words.contains(name) || name.equals("java") || isPublicInJdk(name)) {
            return;
        }
        Element outer = type.getEnclosingElement();
        known.put(type, known.containsKey(outer) ? known.get(outer) + "." + name : name);
        ElementFilter.typesIn(type.getEnclosedElements()).forEach(this::learn);
    }

    /** Whether the JDK has a public type of that simple name, which a test then means. */
    private boolean isPublicInJdk(String name) {
        for (String each : jdkNames().getOrDefault(name, List.of())) {
            TypeElement type = elements.getTypeElement(each);
            if (type == null || type.getModifiers().contains(Modifier.PUBLIC)) {
                return true;
            }
        }
        return false;
    }

    /** All types in the packages java.* of java.base, by their simple names. */
    private static Map<String, List<String>> jdkNames() {
        if (jdkNames == null) {
            Path root = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules/java.base");
            try (Stream<Path> files = Files.walk(root.resolve("java"))) {
                jdkNames = files.map(path -> root.relativize(path).toString().replace('/', '.'))
                        .filter(name -> name.endsWith(".class") && !name.contains("$"))
                        .map(name -> name.substring(0, name.length() - 6))
                        .collect(Collectors.groupingBy(name -> name.substring(name.lastIndexOf('.') + 1)));
            } catch (IOException unreadable) {
                throw new IllegalStateException(unreadable);
            }
        }
        return jdkNames;
    }

    // ---------------------------------------------------------------- classes

    private void type(TypeElement type, String prefix) {
        if (isFailure(type)) {
            failure(type, prefix);
            return;
        }
        String name = type.getSimpleName().toString();
        boolean isInterface = type.getKind().isInterface();
        out.append(prefix.isEmpty() ? "" : "static ").append(isInterface ? "interface " : "class ").append(name);
        out.append(declared(type.getTypeParameters()));
        parents(type, isInterface);
        out.append(" {\n");
        if (!isInterface) {
            out.append(name).append("(").append(REF).append(" ref) { super(ref); }\n");
            constructors(type);
        }
        constants(type);
        methods(type).forEach((key, method) -> method(type, method, key));
        for (TypeElement each : ElementFilter.typesIn(type.getEnclosedElements())) {
            if (known.containsKey(each)) {
                type(each, name + ".");
            }
        }
        out.append("}\n");
    }

    private boolean isFailure(TypeElement type) {
        return types.isSubtype(type.asType(), elements.getTypeElement("java.lang.Throwable").asType());
    }

    /** An exception class of the sample's, which a test catches by its name: plain, with a message and nothing else. */
    private void failure(TypeElement type, String prefix) {
        TypeElement above = (TypeElement) types.asElement(type.getSuperclass());
        while (!known.containsKey(above) && !(ofJdk(above) && takesMessage(above))) {
            above = (TypeElement) types.asElement(above.getSuperclass());
        }
        String name = type.getSimpleName().toString();
        out.append(prefix.isEmpty() ? "" : "static ").append("class ").append(name).append(" extends ");
        out.append(show(above.asType(), 0)).append(" {\n");
        out.append(name).append("(java.lang.String message, ").append(REF).append(" ref) { super(message");
        out.append(known.containsKey(above) ? ", ref" : "").append("); }\n}\n");
    }

    private boolean takesMessage(TypeElement type) {
        return ElementFilter.constructorsIn(type.getEnclosedElements()).stream()
                .anyMatch(each -> each.getModifiers().contains(Modifier.PUBLIC) && key(each).equals("(java.lang.String)"));
    }

    /** The methods that the test names, and those that the JDK's interfaces ask for. */
    private Map<String, ExecutableElement> methods(TypeElement type) {
        Set<String> asked = new HashSet<>();
        for (TypeMirror each : interfacesOfJdk(type)) {
            TypeElement named = (TypeElement) types.asElement(each);
            for (ExecutableElement method : ElementFilter.methodsIn(elements.getAllMembers(named))) {
                if (method.getModifiers().contains(Modifier.ABSTRACT)) {
                    asked.add(method.getSimpleName().toString());
                }
            }
        }
        Map<String, ExecutableElement> found = new TreeMap<>();
        for (ExecutableElement each : ElementFilter.methodsIn(elements.getAllMembers(type))) {
            String name = each.getSimpleName().toString();
            if ((words.contains(name) || asked.contains(name)) && !ofObject(each)) {
                found.put(key(each), each);
            }
        }
        return found;
    }

    /** The public interfaces of the JDK that a class names, without its collections: those cross as plain data. */
    private List<TypeMirror> interfacesOfJdk(TypeElement type) {
        List<TypeMirror> found = new ArrayList<>();
        for (TypeMirror each : type.getInterfaces()) {
            if (STUBBED.contains(((TypeElement) types.asElement(each)).getQualifiedName().toString())) {
                found.add(each);
            }
        }
        return found;
    }

    private boolean ofObject(ExecutableElement method) {
        return ((TypeElement) method.getEnclosingElement()).getQualifiedName().contentEquals("java.lang.Object");
    }

    private void parents(TypeElement type, boolean isInterface) {
        TypeMirror above = type.getSuperclass();
        boolean stub = above.getKind() == TypeKind.DECLARED && known.containsKey(types.asElement(above));
        if (!isInterface) {
            out.append(" extends ").append(stub ? show(above, 0) : "astraios$sandbox.Handle");
        }
        StringJoiner names = new StringJoiner(", ", isInterface ? " extends " : " implements ", "").setEmptyValue("");
        for (TypeMirror each : type.getInterfaces()) {
            if (known.containsKey(types.asElement(each))) {
                names.add(show(each, 0));
            }
        }
        interfacesOfJdk(type).forEach(each -> names.add(show(each, 0)));
        out.append(names);
    }

    private void constructors(TypeElement type) {
        boolean abstractOrInner = type.getModifiers().contains(Modifier.ABSTRACT) || type.getKind() == ElementKind.ENUM
                || (type.getEnclosingElement() instanceof TypeElement && !type.getModifiers().contains(Modifier.STATIC));
        if (abstractOrInner) {
            return;
        }
        Map<String, ExecutableElement> all = new TreeMap<>();
        ElementFilter.constructorsIn(type.getEnclosedElements()).forEach(each -> all.put(key(each), each));
        all.forEach((key, constructor) -> {
            StringBuilder line = new StringBuilder(visibility(constructor));
            line.append(declared(constructor.getTypeParameters())).append(' ').append(type.getSimpleName());
            ExecutableType shape = (ExecutableType) constructor.asType();
            String arguments = parameters(constructor, shape, line);
            line.append(" { super(").append(REMOTE).append(".create(\"").append(elements.getBinaryName(type));
            line.append("\", \"").append(key).append("\"").append(arguments).append(")); }\n");
            out.append(line);
        });
    }

    /** Constants whose value the compiler knows, and those of enums. */
    private void constants(TypeElement type) {
        Map<String, String> lines = new TreeMap<>();
        for (VariableElement each : ElementFilter.fieldsIn(type.getEnclosedElements())) {
            String name = each.getSimpleName().toString();
            if (!words.contains(name)) {
                continue;
            }
            Object value = each.getConstantValue();
            if (each.getKind() == ElementKind.ENUM_CONSTANT) {
                String call = REMOTE + ".callStatic(\"" + elements.getBinaryName(type) + "\", \"valueOf(java.lang.String)\"";
                lines.put(name, "static final " + known.get(type) + " " + name + " = (" + known.get(type) + ") " + call
                        + ", \"" + name + "\");\n");
            } else if (value != null && each.getModifiers().contains(Modifier.STATIC)) {
                lines.put(name, visibility(each) + "static final " + show(each.asType(), 0) + " " + name + " = "
                        + elements.getConstantExpression(value) + ";\n");
            }
        }
        lines.values().forEach(out::append);
    }

    // ---------------------------------------------------------------- methods

    private void method(TypeElement type, ExecutableElement method, String key) {
        boolean isStatic = method.getModifiers().contains(Modifier.STATIC);
        boolean inInterface = type.getKind().isInterface();
        if (method.getModifiers().contains(Modifier.PRIVATE)) {
            return;
        }
        ExecutableType shape = (ExecutableType) (method.getEnclosingElement() == type ? method.asType()
                : types.asMemberOf((DeclaredType) type.asType(), method));
        StringBuilder line = new StringBuilder(visibility(method)).append(isStatic ? "static " : "");
        line.append(declared(method.getTypeParameters())).append(' ').append(show(shape.getReturnType(), 0));
        line.append(' ').append(method.getSimpleName());
        String arguments = parameters(method, shape, line);
        if (inInterface && !isStatic) {
            out.append(line).append(";\n");
            return;
        }
        String owner = isStatic ? "\"" + elements.getBinaryName(type) + "\"" : "this";
        String call = REMOTE + (isStatic ? ".callStatic(" : ".call(") + owner + ", \"" + key + "\"" + arguments + ")";
        boolean isVoid = shape.getReturnType().getKind() == TypeKind.VOID;
        String cast = isVoid ? "" : "return (" + boxed(shape.getReturnType()) + ") ";
        out.append(line).append(" { ").append(cast).append(call).append("; }\n");
    }

    private static String visibility(Element member) {
        for (Modifier each : List.of(Modifier.PUBLIC, Modifier.PROTECTED, Modifier.PRIVATE)) {
            if (member.getModifiers().contains(each)) {
                return each + " ";
            }
        }
        return "";
    }

    /** Appends the parameters and the throws clause to a line; returns the arguments of the stub's own call. */
    private String parameters(ExecutableElement member, ExecutableType shape, StringBuilder line) {
        StringJoiner parameters = new StringJoiner(", ", "(", ")");
        StringBuilder arguments = new StringBuilder(", new java.lang.Object[] {");
        List<? extends TypeMirror> given = shape.getParameterTypes();
        for (int i = 0; i < given.size(); i++) {
            boolean open = member.isVarArgs() && i == given.size() - 1;
            String type = open ? show(((ArrayType) given.get(i)).getComponentType(), 0) + "..." : show(given.get(i), 0);
            parameters.add(type + " a" + i);
            arguments.append("a").append(i).append(", ");
        }
        line.append(parameters);
        Set<String> thrown = new LinkedHashSet<>();
        for (TypeMirror each : member.getThrownTypes()) {
            boolean own = each.getKind() == TypeKind.DECLARED && !ofJdk((TypeElement) types.asElement(each));
            if (!own || checked(each)) {
                boolean named = known.containsKey(types.asElement(each));
                thrown.add(own && !named ? "java.lang.Exception" : show(each, 0));
            }
        }
        if (!thrown.isEmpty()) {
            line.append(" throws ").append(String.join(", ", thrown));
        }
        return arguments.append("}").toString();
    }

    private boolean checked(TypeMirror failure) {
        return !types.isSubtype(failure, elements.getTypeElement("java.lang.RuntimeException").asType())
                && !types.isSubtype(failure, elements.getTypeElement("java.lang.Error").asType());
    }

    /** Name and erased parameter types, as {@link Members} spells them. */
    private String key(ExecutableElement member) {
        StringJoiner names = new StringJoiner(",", "(", ")");
        for (VariableElement each : member.getParameters()) {
            names.add(binaryName(types.erasure(each.asType())));
        }
        return (member.getKind() == ElementKind.CONSTRUCTOR ? "" : member.getSimpleName().toString()) + names;
    }

    private String binaryName(TypeMirror erased) {
        if (erased.getKind() == TypeKind.ARRAY) {
            return binaryName(((ArrayType) erased).getComponentType()) + "[]";
        }
        return erased.getKind().isPrimitive() ? erased.getKind().name().toLowerCase(Locale.ROOT)
                : elements.getBinaryName((TypeElement) types.asElement(erased)).toString();
    }

    // ---------------------------------------------------------------- types

    private boolean ofJdk(TypeElement type) {
        return elements.getPackageOf(type).getQualifiedName().toString().startsWith("java.");
    }

    private String declared(List<? extends TypeParameterElement> parameters) {
        if (parameters.isEmpty()) {
            return "";
        }
        for (TypeParameterElement each : parameters) {
            variables.computeIfAbsent(each, absent -> "T" + variables.size() + "_");
        }
        StringJoiner all = new StringJoiner(", ", "<", ">");
        for (TypeParameterElement each : parameters) {
            StringJoiner bounds = new StringJoiner(" & ");
            each.getBounds().forEach(bound -> bounds.add(show(bound, 0)));
            all.add(variables.get(each) + " extends " + bounds);
        }
        return all.toString();
    }

    private String boxed(TypeMirror type) {
        return type.getKind().isPrimitive()
                ? types.boxedClass((PrimitiveType) type).getQualifiedName().toString() : show(type, 0);
    }

    /** A type as source: of known classes alone, and not nested more deeply than anyone needs. */
    private String show(TypeMirror type, int depth) {
        switch (type.getKind()) {
            case ARRAY:
                return show(((ArrayType) type).getComponentType(), depth) + "[]";
            case DECLARED:
                return show((DeclaredType) type, depth);
            case TYPEVAR:
                String name = variables.get(((TypeVariable) type).asElement());
                return name != null ? name : depth < MAX_DEPTH ? show(types.erasure(type), depth + 1) : "java.lang.Object";
            case WILDCARD:
                WildcardType wildcard = (WildcardType) type;
                if (wildcard.getExtendsBound() != null) {
                    return "? extends " + show(wildcard.getExtendsBound(), depth);
                }
                return wildcard.getSuperBound() == null ? "?" : "? super " + show(wildcard.getSuperBound(), depth);
            default:
                return type.getKind().isPrimitive() || type.getKind() == TypeKind.VOID
                        ? type.getKind().name().toLowerCase(Locale.ROOT) : "java.lang.Object";
        }
    }

    private String show(DeclaredType type, int depth) {
        TypeElement element = (TypeElement) type.asElement();
        if (!known.containsKey(element) && !ofJdk(element)) {
            return "java.lang.Object";
        }
        String name = known.getOrDefault(element, element.getQualifiedName().toString());
        if (type.getTypeArguments().isEmpty() || depth >= MAX_DEPTH) {
            return name;
        }
        StringJoiner arguments = new StringJoiner(", ", "<", ">");
        type.getTypeArguments().forEach(each -> arguments.add(show(each, depth + 1)));
        return name + arguments;
    }
}
