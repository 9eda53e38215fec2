package astraios$sandbox;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.tools.javac.api.JavacTaskPool;
import com.sun.tools.javac.file.JavacFileManager;
import com.sun.tools.javac.util.Context;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Writer;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.FileObject;
import javax.tools.JavaFileObject;
import javax.tools.JavaFileObject.Kind;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * A warm compiler: reads programs from standard input, answers with class files, keeps nothing on disk.
 *
 * <p>Request: length and frame of language level (0: the JDK's own), sample, test. Answer: length and frame of status
 * (0 compiled, 1 does not compile, 2 refused, 3 the compiler itself gave up), detail, whether the program is
 * {@link Harmless}, and the class files. Annotation processing is off, so no code of a sample runs here.
 */
public final class CompileServer {
    private static final int COMPILED = 0;
    private static final int INVALID = 1;
    private static final int REFUSED = 2;
    private static final int GAVE_UP = 3;

    private final Map<Integer, JavacTaskPool> pools = new HashMap<>();
    private final Map<Integer, MemoryFiles> files = new HashMap<>();
    private final Map<String, TestSource> tests = new LinkedHashMap<>();

    public static void main(String[] arguments) throws IOException {
        DataInputStream requests = new DataInputStream(new FileInputStream(FileDescriptor.in));
        OutputStream answers = new FileOutputStream(FileDescriptor.out);
        System.setOut(System.err);
        CompileServer server = new CompileServer();
        for (int length = nextLength(requests); length >= 0; length = nextLength(requests)) {
            byte[] frame = new byte[length];
            requests.readFully(frame);
            Answer answer = server.answer(new DataInputStream(new ByteArrayInputStream(frame)));
            answers.write(answer.bytes());
            if (answer.status == GAVE_UP) {
                Runtime.getRuntime().halt(0); // an overflow may have left the compiler's tables half written
            }
        }
    }

    /** The length of the next request, or -1 if the engine has gone. */
    static int nextLength(DataInputStream requests) throws IOException {
        try {
            return requests.readInt();
        } catch (EOFException gone) {
            return -1;
        }
    }

    /** What goes back to the engine. */
    private static final class Answer {
        final int status;
        final String detail;
        final Map<String, byte[]> classes;

        Answer(int status, String detail, Map<String, byte[]> classes) {
            this.status = status;
            this.detail = detail;
            this.classes = classes;
        }

        byte[] bytes() throws IOException {
            ByteArrayOutputStream buffer = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(buffer);
            out.writeInt(0); // length, filled in below
            out.writeByte(status);
            out.writeByte(status == COMPILED && Harmless.all(classes) ? 1 : 0);
            out.writeUTF(detail.length() > 200 ? detail.substring(0, 200) : detail);
            out.writeInt(classes.size());
            for (Map.Entry<String, byte[]> each : classes.entrySet()) {
                out.writeUTF(each.getKey());
                out.writeInt(each.getValue().length);
                out.write(each.getValue());
            }
            byte[] bytes = buffer.toByteArray();
            java.nio.ByteBuffer.wrap(bytes).putInt(0, bytes.length - 4);
            return bytes;
        }
    }

    private Answer answer(DataInputStream in) throws IOException {
        int release = in.readInt();
        String sample = readText(in);
        String test = readText(in);
        try {
            return compile(release, sample, test);
        } catch (StackOverflowError | OutOfMemoryError error) {
            return new Answer(GAVE_UP, "the compiler gave up: " + error.getClass().getSimpleName(), Map.of());
        } catch (RuntimeException error) {
            // javac wraps what goes wrong inside it, overflows included
            return new Answer(GAVE_UP, "the compiler gave up: " + error.getClass().getSimpleName(), Map.of());
        }
    }

    private static String readText(DataInputStream in) throws IOException {
        byte[] text = new byte[in.readInt()];
        in.readFully(text);
        return new String(text, StandardCharsets.UTF_8);
    }

    private Answer compile(int release, String sample, String test) throws IOException {
        TestSource guarded = tests.computeIfAbsent(test, TestSource::new);
        if (tests.size() > 1000) {
            tests.clear();
        }
        MemoryFiles memory = files.computeIfAbsent(release, key -> new MemoryFiles());
        memory.classes.clear();
        Source source = new Source(sample + "\n" + guarded.text);
        DiagnosticCollector<JavaFileObject> problems = new DiagnosticCollector<>();
        String refusal = pools.computeIfAbsent(release, key -> new JavacTaskPool(1)).getTask(
                Writer.nullWriter(), memory, problems, options(release), null, List.of(source),
                task -> generate(task, sample.length(), guarded, problems));
        String first = firstError(problems);
        if (first != null) {
            return new Answer(INVALID, "does not compile: " + first, Map.of());
        }
        Map<String, byte[]> classes = memory.result();
        if (refusal == null && guarded.calls > 0 && !Harmless.callsGuard(classes.get("Main"))) {
            refusal = "the sample hides the class that guards returned values";
        }
        return refusal == null ? new Answer(COMPILED, "", classes) : new Answer(REFUSED, refusal, Map.of());
    }

    private static List<String> options(int release) {
        List<String> options = new ArrayList<>(List.of("-proc:none", "-g:none", "-nowarn", "-Xlint:none"));
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

    /** Analyzes and generates one program; returns why it must not run, or null. */
    private static String generate(
            JavacTask task, int sampleLength, TestSource test, DiagnosticCollector<JavaFileObject> problems) {
        try {
            CompilationUnitTree unit = task.parse().iterator().next();
            if (firstError(problems) != null) {
                return null; // javac too stops after a syntax error
            }
            task.analyze();
            if (firstError(problems) != null) {
                return null;
            }
            String refusal = Shadows.refusal(task, unit, sampleLength, test);
            task.generate();
            return refusal;
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

    /** Parses a text alone, without attribution. */
    static JavacTask parser(String text) {
        return (JavacTask) ToolProvider.getSystemJavaCompiler().getTask(
                Writer.nullWriter(), null, problem -> { }, List.of("-proc:none"), null, List.of(new Source(text)));
    }

    /** The names of the top-level types of a compilation unit. */
    static List<String> topLevel(CompilationUnitTree unit) {
        List<String> names = new ArrayList<>();
        for (Tree each : unit.getTypeDecls()) {
            if (each instanceof com.sun.source.tree.ClassTree) {
                names.add(((com.sun.source.tree.ClassTree) each).getSimpleName().toString());
            }
        }
        return names;
    }
}
