package astraios$sandbox;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.util.JavacTask;
import com.sun.tools.javac.api.JavacTaskPool;
import com.sun.tools.javac.file.JavacFileManager;
import com.sun.tools.javac.util.Context;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Writer;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.FileObject;
import javax.tools.JavaFileObject;
import javax.tools.JavaFileObject.Kind;
import javax.tools.SimpleJavaFileObject;

/**
 * A warm compiler: reads sources from standard input, answers with class files, keeps nothing on disk.
 *
 * <p>With the argument {@code samples} a request is the language level (0: the JDK's own), a sample and the words of its
 * test; the answer's class files are the sample's, compiled alone, and its text are {@link Stubs}. With {@code tests} a
 * request is the level and the stubs with the test. Answer: status (0 compiled, 1 does not compile, 2 the compiler
 * itself gave up), whether the program is {@link Harmless}, detail, text, class files. Annotation processing is off, so
 * no code of a sample runs here.
 *
 * <p>The compiler's tables are reused. So the process ends after everything that may have left them half written: an
 * error inside the compiler, or one that it finds while it writes class files. Before it rejects a program it compiles
 * one that is known to be right, and it ends when its heap has grown.
 */
public final class CompileServer {
    private static final int COMPILED = 0;
    private static final int INVALID = 1;
    private static final int GAVE_UP = 2;
    private static final long LARGEST_HEAP = 320L << 20;
    private static final String KNOWN_RIGHT = "import java.util.*; import java.util.stream.*; class Solution {"
            + " static <T extends Comparable<T>> List<T> sorted(Map<String, T> m) { return m.values().stream()"
            + ".filter(x -> x != null).sorted().collect(Collectors.toList()); } String f(int n, Object o) { try {"
            + " StringBuilder b = new StringBuilder(); for (char c : (\"a\" + n).toCharArray()) b.append(c);"
            + " return b.toString() + Math.max(n, 2.0) + new ArrayList<>(Arrays.asList(n, 2)).size(); }"
            + " catch (IllegalArgumentException e) { return Integer.toString(Optional.of(n).get()); } } }";

    private final Map<Integer, JavacTaskPool> pools = new HashMap<>();
    private final Map<Integer, MemoryFiles> files = new HashMap<>();
    private final boolean tests;
    private String refusal;
    private boolean spent;

    private CompileServer(boolean tests) {
        this.tests = tests;
    }

    public static void main(String[] arguments) throws IOException {
        DataInputStream requests = new DataInputStream(new FileInputStream(FileDescriptor.in));
        OutputStream answers = new FileOutputStream(FileDescriptor.out);
        System.setOut(System.err);
        CompileServer server = new CompileServer(arguments[0].equals("tests"));
        for (byte[] frame = Frames.receive(requests); frame != null && !server.spent; ) {
            Frames.send(answers, server.answer(Frames.reader(frame)).bytes());
            server.spent |= heapHasGrown();
            frame = server.spent ? null : Frames.receive(requests);
        }
    }

    private static boolean heapHasGrown() {
        Runtime runtime = Runtime.getRuntime();
        if (runtime.totalMemory() - runtime.freeMemory() < LARGEST_HEAP) {
            return false;
        }
        System.gc();
        return runtime.totalMemory() - runtime.freeMemory() >= LARGEST_HEAP / 2;
    }

    /** What goes back to the engine. */
    private static final class Answer {
        final int status;
        final String detail;
        final String text;
        final Map<String, byte[]> classes;

        Answer(int status, String detail, String text, Map<String, byte[]> classes) {
            this.status = status;
            this.detail = detail;
            this.text = text;
            this.classes = classes;
        }

        Answer(int status, String detail) {
            this(status, detail, "", Map.of());
        }

        byte[] bytes() throws IOException {
            ByteArrayOutputStream buffer = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(buffer);
            out.writeByte(status);
            out.writeByte(status == COMPILED && Harmless.all(classes) ? 1 : 0);
            out.writeUTF(detail.length() > 200 ? detail.substring(0, 200) : detail);
            byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
            out.writeInt(encoded.length);
            out.write(encoded);
            Frames.classes(out, classes);
            return buffer.toByteArray();
        }
    }

    private Answer answer(DataInputStream in) throws IOException {
        int release = in.readInt();
        String source = Frames.utf8(in);
        Set<String> words = tests ? null : new HashSet<>(Arrays.asList(Frames.utf8(in).split(" ")));
        try {
            Answer answer = compile(release, source, words);
            if (answer.status == INVALID && !spent && compile(release, KNOWN_RIGHT, Set.of()).status != COMPILED) {
                return gaveUp("a sample before this one has confused it");
            }
            return answer;
        } catch (StackOverflowError | OutOfMemoryError | RuntimeException error) {
            // javac wraps what goes wrong inside it, overflows included
            return gaveUp(error.getClass().getSimpleName());
        }
    }

    private Answer gaveUp(String why) {
        spent = true;
        return new Answer(GAVE_UP, "the compiler gave up: " + why);
    }

    private Answer compile(int release, String text, Set<String> words) throws IOException {
        MemoryFiles memory = files.computeIfAbsent(release, key -> new MemoryFiles());
        memory.classes.clear();
        refusal = null;
        DiagnosticCollector<JavaFileObject> problems = new DiagnosticCollector<>();
        String stubs = pools.computeIfAbsent(release, key -> new JavacTaskPool(1)).getTask(
                Writer.nullWriter(), memory, problems, options(release), null, List.of(new Source(text)),
                task -> generate(task, words, problems));
        if (refusal != null) {
            return new Answer(INVALID, refusal);
        }
        String first = firstError(problems);
        if (first == null) {
            return new Answer(COMPILED, "", stubs, memory.result());
        }
        spent |= stubs != null; // the error came while class files were written
        return new Answer(INVALID, "does not compile: " + first);
    }

    private List<String> options(int release) {
        List<String> options = new ArrayList<>(List.of("-proc:none", "-g:none", "-nowarn", "-Xlint:none"));
        options.addAll(List.of("-cp", tests ? System.getProperty("java.class.path") : "/nonexistent"));
        if (release > 0) {
            options.addAll(List.of("--release", Integer.toString(release)));
        }
        return options;
    }

    /** The first line of the first error message, or null. */
    private static String firstError(DiagnosticCollector<JavaFileObject> problems) {
        for (Diagnostic<?> each : problems.getDiagnostics()) {
            if (each.getKind() == Diagnostic.Kind.ERROR) {
                return each.getMessage(Locale.ROOT).split("\n")[0];
            }
        }
        return null;
    }

    /** Analyzes and generates one source; returns the stubs, or null if it was not generated. */
    private String generate(
            JavacTask task, Set<String> words, DiagnosticCollector<JavaFileObject> problems) {
        try {
            CompilationUnitTree unit = task.parse().iterator().next();
            if (firstError(problems) != null) {
                return null; // javac too stops after a syntax error
            }
            task.analyze();
            if (firstError(problems) != null) {
                return null;
            }
            String stubs = words == null ? "" : Stubs.print(task, unit, words);
            task.generate();
            return stubs;
        } catch (Stubs.Refused refused) {
            refusal = refused.getMessage();
            return null;
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** The one source file of a program. */
    static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String text) {
            super(URI.create("string:///Main.java"), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    /** The JDK's file manager with generated classes in memory ({@code --release} insists on this very class). */
    private static final class MemoryFiles extends JavacFileManager {
        private final Map<String, ByteArrayOutputStream> classes = new LinkedHashMap<>();

        MemoryFiles() {
            super(new Context(), false, StandardCharsets.UTF_8);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(Location location, String name, Kind kind, FileObject sibling) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            classes.put(name, out);
            return new SimpleJavaFileObject(URI.create("memory:///" + name.replace('$', '-') + ".class"), kind) {
                @Override
                public OutputStream openOutputStream() {
                    return out;
                }
            };
        }

        Map<String, byte[]> result() {
            Map<String, byte[]> result = new LinkedHashMap<>();
            classes.forEach((name, out) -> result.put(name, out.toByteArray()));
            return result;
        }
    }
}
