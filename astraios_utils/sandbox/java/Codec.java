package astraios$sandbox;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Date;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Values as bytes. Plain data of the JDK is rebuilt on the other side as an object of the same class; everything else
 * becomes a handle ({@link Wire#export}).
 *
 * <p>Objects are numbered in the order in which they are written, so identity, sharing and cycles survive within one
 * call and its answer. The reader trusts nothing: it makes objects of known classes of the JDK alone, and every
 * length is checked against the bytes that are left.
 */
final class Codec {
    private static final int MAX_DEPTH = 800;
    private static final int MAX_OBJECTS = 4_000_000;
    private static final Class<?>[] PRIMITIVES = {
        boolean.class, byte.class, char.class, short.class, int.class, long.class, float.class, double.class
    };
    private static final int[] WIDTHS = {1, 1, 2, 2, 4, 8, 4, 8};
    /** Classes whose text says everything; they have a static parse(CharSequence) or fromString(String). */
    private static final Set<String> TEXTUAL = Set.of(
            "java.time.LocalDate", "java.time.LocalTime", "java.time.LocalDateTime", "java.time.Instant",
            "java.time.Duration", "java.time.Period", "java.time.Year", "java.time.YearMonth", "java.time.MonthDay",
            "java.time.ZonedDateTime", "java.time.OffsetDateTime", "java.time.OffsetTime", "java.util.UUID");

    private Codec() {}

    /** The objects of one call and its answer, by number and by identity. */
    static final class Table {
        final List<Object> objects = new ArrayList<>();
        final IdentityHashMap<Object, Integer> numbers = new IdentityHashMap<>();
        /** Which of them are handles, whose contents stay where they are. */
        final BitSet handles = new BitSet();

        int reserve() throws Frames.Malformed {
            if (objects.size() >= MAX_OBJECTS) {
                throw new Frames.Malformed("too many objects");
            }
            objects.add(null);
            return objects.size() - 1;
        }

        void set(int number, Object object) {
            objects.set(number, object);
            numbers.put(object, number);
        }
    }

    /** Writes values. */
    static final class Writer {
        final DataOutputStream out;
        final Wire wire;
        private final Table table;
        private int depth;

        Writer(DataOutputStream out, Wire wire, Table table) {
            this.out = out;
            this.wire = wire;
            this.table = table;
        }

        void value(Object value) throws IOException {
            if (out.size() > Frames.LARGEST) {
                throw new Frames.Malformed("a value is larger than 32 MB");
            }
            if (value == null) {
                out.writeByte('0');
            } else if (!scalar(value)) {
                Integer known = table.numbers.get(value);
                if (known != null) {
                    out.writeByte('r');
                    out.writeInt(known);
                } else if (++depth > MAX_DEPTH) {
                    throw new Frames.Malformed("a value is nested too deeply");
                } else {
                    object(value);
                    depth--;
                }
            }
        }

        private boolean scalar(Object value) throws IOException {
            if (value instanceof Integer) {
                out.writeByte('I');
                out.writeInt((Integer) value);
            } else if (value instanceof Boolean) {
                out.writeByte((Boolean) value ? 'T' : 'F');
            } else if (value instanceof Double) {
                out.writeByte('D');
                out.writeDouble((Double) value);
            } else if (value instanceof Long) {
                out.writeByte('J');
                out.writeLong((Long) value);
            } else if (value instanceof Character) {
                out.writeByte('C');
                out.writeChar((Character) value);
            } else if (value instanceof Float) {
                out.writeByte('f');
                out.writeFloat((Float) value);
            } else if (value instanceof Byte) {
                out.writeByte('B');
                out.writeByte((Byte) value);
            } else if (value instanceof Short) {
                out.writeByte('S');
                out.writeShort((Short) value);
            } else {
                return false;
            }
            return true;
        }

        private void object(Object value) throws IOException {
            table.set(table.reserve(), value);
            if (value instanceof String) {
                out.writeByte('s');
                Frames.text(out, (String) value);
                return;
            }
            Handle.Ref theirs = Handle.refOf(value);
            if (theirs != null && wire.plainOnly()) {
                throw new Frames.Malformed("no plain data");
            }
            if (theirs != null && theirs.wire == wire) {
                out.writeByte('H');
                out.writeInt(theirs.id);
            } else if (value.getClass().isArray()) {
                array(value);
            } else if (value instanceof Collection || value instanceof Map) {
                container(value);
            } else if (value instanceof Throwable) {
                out.writeByte('x');
                Failures.write(this, (Throwable) value);
            } else if (!Containers.ofJdk(value.getClass()) || !ofJdk(value)) {
                wire.export(this, value);
            }
        }

        private void array(Object value) throws IOException {
            Class<?> base = value.getClass().getComponentType();
            int length = Array.getLength(value);
            int primitive = Arrays.asList(PRIMITIVES).indexOf(base);
            if (primitive >= 0) {
                out.writeByte('p');
                out.writeByte(primitive);
                out.writeInt(length);
                out.write(packed(value, primitive, length));
                return;
            }
            int dimensions = 1;
            for (; base.isArray(); base = base.getComponentType()) {
                dimensions++;
            }
            out.writeByte('a');
            out.writeByte(dimensions);
            Frames.text(out, base.getName());
            out.writeInt(length);
            for (Object each : (Object[]) value) {
                value(each);
            }
        }

        private void container(Object value) throws IOException {
            Containers.Plan plan = Containers.plan(value);
            if (plan == null) {
                wire.export(this, value);
                return;
            }
            Object[] elements = Containers.elements(value);
            boolean map = value instanceof Map;
            Comparator<?> comparator = Containers.comparator(value);
            int order = Containers.order(comparator);
            out.writeByte(map ? 'm' : 'c');
            out.writeByte(plan.kind);
            Frames.text(out, plan.name);
            out.writeByte(order);
            if (order == Containers.OWN_ORDER) {
                value(comparator);
            }
            boolean hashed = plan.name.equals("java.util.HashMap") || plan.name.equals("java.util.HashSet");
            out.writeInt(hashed ? Containers.capacity(map ? keys(elements) : elements) : 0);
            out.writeInt(elements.length);
            for (Object each : elements) {
                value(each);
            }
        }

        private static Object[] keys(Object[] elements) {
            Object[] keys = new Object[elements.length / 2];
            for (int i = 0; i < keys.length; i++) {
                keys[i] = elements[2 * i];
            }
            return keys;
        }

        /** Writes an object of a class of the JDK; false if it is none that is rebuilt. */
        private boolean ofJdk(Object value) throws IOException {
            String name = value.getClass().getName();
            if (value instanceof BigInteger) {
                out.writeByte('N');
                sized(((BigInteger) value).toByteArray());
            } else if (value instanceof BigDecimal) {
                out.writeByte('M');
                out.writeInt(((BigDecimal) value).scale());
                sized(((BigDecimal) value).unscaledValue().toByteArray());
            } else if (value instanceof Optional) {
                out.writeByte('o');
                value(((Optional<?>) value).orElse(null));
            } else if (value instanceof OptionalInt || value instanceof OptionalLong || value instanceof OptionalDouble) {
                out.writeByte('O');
                optional(value);
            } else if (value instanceof StringBuilder || value instanceof StringBuffer) {
                out.writeByte(value instanceof StringBuilder ? 'b' : 'u');
                Frames.text(out, value.toString());
            } else if (value instanceof Map.Entry) {
                boolean fixed = name.contains("Immutable") || name.contains("KeyValueHolder");
                out.writeByte(fixed ? 'E' : 'e');
                value(((Map.Entry<?, ?>) value).getKey());
                value(((Map.Entry<?, ?>) value).getValue());
            } else if (value instanceof Enum) {
                out.writeByte('n');
                Frames.text(out, ((Enum<?>) value).getDeclaringClass().getName());
                Frames.text(out, ((Enum<?>) value).name());
            } else if (TEXTUAL.contains(name)) {
                out.writeByte('t');
                Frames.text(out, name);
                Frames.text(out, value.toString());
            } else {
                return other(value);
            }
            return true;
        }

        private boolean other(Object value) throws IOException {
            if (value instanceof AtomicInteger || value instanceof AtomicLong) {
                out.writeByte(value instanceof AtomicInteger ? 'i' : 'j');
                out.writeLong(((Number) value).longValue());
            } else if (value instanceof AtomicBoolean) {
                out.writeByte('z');
                out.writeBoolean(((AtomicBoolean) value).get());
            } else if (value instanceof Date && value.getClass() == Date.class) {
                out.writeByte('d');
                out.writeLong(((Date) value).getTime());
            } else if (value instanceof BitSet) {
                out.writeByte('k');
                sized(((BitSet) value).toByteArray());
            } else {
                return false;
            }
            return true;
        }

        private void optional(Object value) throws IOException {
            if (value instanceof OptionalInt) {
                OptionalInt some = (OptionalInt) value;
                out.writeByte('i');
                value(some.isPresent() ? (Object) some.getAsInt() : null);
            } else if (value instanceof OptionalLong) {
                OptionalLong some = (OptionalLong) value;
                out.writeByte('l');
                value(some.isPresent() ? (Object) some.getAsLong() : null);
            } else {
                OptionalDouble some = (OptionalDouble) value;
                out.writeByte('d');
                value(some.isPresent() ? (Object) some.getAsDouble() : null);
            }
        }

        private void sized(byte[] bytes) throws IOException {
            out.writeInt(bytes.length);
            out.write(bytes);
        }
    }

    /** Reads values. */
    static final class Reader {
        final DataInputStream in;
        private final Wire wire;
        private final Table table;
        private int depth;

        Reader(DataInputStream in, Wire wire, Table table) {
            this.in = in;
            this.wire = wire;
            this.table = table;
        }

        /** Reads one value; whatever is wrong with the bytes is reported as {@link Frames.Malformed}. */
        Object checked() throws IOException {
            try {
                return value();
            } catch (ReflectiveOperationException | RuntimeException wrong) {
                throw new Frames.Malformed(wrong.getClass().getName());
            }
        }

        private Object value() throws IOException, ReflectiveOperationException {
            int tag = in.readUnsignedByte();
            switch (tag) {
                case '0':
                    return null;
                case 'I':
                    return in.readInt();
                case 'T':
                    return true;
                case 'F':
                    return false;
                case 'D':
                    return in.readDouble();
                case 'J':
                    return in.readLong();
                case 'C':
                    return in.readChar();
                case 'f':
                    return in.readFloat();
                case 'B':
                    return in.readByte();
                case 'S':
                    return in.readShort();
                case 'r':
                    return known(in.readInt());
                default:
                    if (++depth > MAX_DEPTH) {
                        throw new Frames.Malformed("nested too deeply");
                    }
                    Object object = object(tag, table.reserve());
                    depth--;
                    return object;
            }
        }

        private Object known(int number) throws Frames.Malformed {
            if (number < 0 || number >= table.objects.size() || table.objects.get(number) == null) {
                throw new Frames.Malformed("reference");
            }
            return table.objects.get(number);
        }

        private Object object(int tag, int number) throws IOException, ReflectiveOperationException {
            Object object;
            switch (tag) {
                case 'a':
                    return array(number);
                case 'c':
                case 'm':
                    return container(tag == 'm', number);
                case 's':
                    object = Frames.text(in);
                    break;
                case 'p':
                    object = primitives();
                    break;
                case 'H':
                    object = wire.exported(in.readInt());
                    table.handles.set(number);
                    break;
                case 'h':
                    object = wire.imported(this);
                    table.handles.set(number);
                    break;
                case 'o':
                    object = Optional.ofNullable(value());
                    break;
                case 'O':
                    object = optional(in.readUnsignedByte(), (Number) value());
                    break;
                case 'E':
                    object = new AbstractMap.SimpleImmutableEntry<>(value(), value());
                    break;
                case 'e':
                    object = new AbstractMap.SimpleEntry<>(value(), value());
                    break;
                default:
                    object = simple(tag);
            }
            table.set(number, object);
            return object;
        }

        private Object simple(int tag) throws IOException, ReflectiveOperationException {
            switch (tag) {
                case 'N':
                    return new BigInteger(sized());
                case 'M':
                    int scale = in.readInt();
                    return new BigDecimal(new BigInteger(sized()), scale);
                case 'b':
                    return new StringBuilder(Frames.text(in));
                case 'u':
                    return new StringBuffer(Frames.text(in));
                case 'n':
                    return constant(Frames.text(in), Frames.text(in));
                case 't':
                    return parsed(Frames.text(in), Frames.text(in));
                case 'i':
                    return new AtomicInteger((int) in.readLong());
                case 'j':
                    return new AtomicLong(in.readLong());
                case 'z':
                    return new AtomicBoolean(in.readBoolean());
                case 'd':
                    return new Date(in.readLong());
                case 'k':
                    return BitSet.valueOf(sized());
                case 'x':
                    return Failures.read(this, wire);
                default:
                    throw new Frames.Malformed("tag " + tag);
            }
        }

        private byte[] sized() throws IOException {
            byte[] bytes = new byte[count(1)];
            in.readFully(bytes);
            return bytes;
        }

        /** A number of things that take so many bytes each, at least. */
        private int count(int width) throws IOException {
            int count = in.readInt();
            if (count < 0 || (long) count * width > in.available()) {
                throw new Frames.Malformed("length");
            }
            return count;
        }

        private Object primitives() throws IOException {
            int primitive = in.readUnsignedByte();
            int length = count(WIDTHS[primitive]);
            byte[] bytes = new byte[length * WIDTHS[primitive]];
            in.readFully(bytes);
            return unpacked(bytes, primitive, length);
        }

        private Object array(int number) throws IOException, ReflectiveOperationException {
            int dimensions = in.readUnsignedByte();
            Class<?> component = component(Frames.text(in), dimensions - 1);
            Object[] array = (Object[]) Array.newInstance(component, count(1));
            table.set(number, array);
            for (int i = 0; i < array.length; i++) {
                array[i] = value();
            }
            return array;
        }

        private Class<?> component(String name, int dimensions) throws ClassNotFoundException {
            Class<?> type = null;
            for (Class<?> each : PRIMITIVES) {
                type = each.getName().equals(name) ? each : type;
            }
            if (type == null) {
                Class<?> own = wire.loader.own(name);
                type = own != null ? own : name.startsWith("java.") ? Class.forName(name, false, null) : Object.class;
            }
            for (int i = 0; i < dimensions; i++) {
                type = Array.newInstance(type, 0).getClass();
            }
            return type;
        }

        private Object container(boolean map, int number) throws IOException, ReflectiveOperationException {
            int kind = in.readUnsignedByte();
            String name = Frames.text(in);
            int order = in.readUnsignedByte();
            Ranked own = order == Containers.OWN_ORDER ? new Ranked(wire, value()) : null;
            int capacity = Math.min(in.readInt(), 1 << 20);
            int count = count(1);
            if (kind == Containers.LIST_OF || kind == Containers.AS_LIST) {
                return list(kind, number, count);
            }
            boolean bag = kind == Containers.BAG || name.equals(Containers.Bag.class.getName());
            Object backing = bag ? new Containers.Bag()
                    : kind == Containers.ENUM_SET || kind == Containers.ENUM_MAP ? Containers.emptyOfEnum(kind, name)
                    : Containers.make(name, order, own, capacity);
            if (backing == null || backing instanceof Map != map) {
                throw new Frames.Malformed("a container of class " + name);
            }
            Object object = kind == Containers.UNMODIFIABLE ? Containers.unmodifiable(backing, bag) : backing;
            table.set(number, object);
            Object[] elements = elements(count);
            if (own != null) {
                own.rank(backing, elements);
            }
            Containers.add(backing, elements);
            return object;
        }

        private Object list(int kind, int number, int count) throws IOException, ReflectiveOperationException {
            if (kind == Containers.LIST_OF) {
                List<Object> found = Arrays.asList(elements(count));
                boolean nulls = found.contains(null); // as Stream.toList() allows
                List<Object> fixed = nulls ? Collections.unmodifiableList(found) : List.copyOf(found);
                table.set(number, fixed);
                return fixed;
            }
            Object[] elements = new Object[count];
            List<Object> list = Arrays.asList(elements);
            table.set(number, list);
            for (int i = 0; i < count; i++) {
                elements[i] = value();
            }
            return list;
        }

        private Object[] elements(int count) throws IOException, ReflectiveOperationException {
            Object[] elements = new Object[count];
            for (int i = 0; i < count; i++) {
                elements[i] = value();
            }
            return elements;
        }

        private static Object optional(int kind, Number value) {
            switch (kind) {
                case 'i':
                    return value == null ? OptionalInt.empty() : OptionalInt.of(value.intValue());
                case 'l':
                    return value == null ? OptionalLong.empty() : OptionalLong.of(value.longValue());
                default:
                    return value == null ? OptionalDouble.empty() : OptionalDouble.of(value.doubleValue());
            }
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static Object constant(String type, String name) throws IOException, ClassNotFoundException {
            Class<?> declared = Class.forName(type, false, null);
            if (!declared.isEnum() || !Containers.ofJdk(declared)) {
                throw new Frames.Malformed("a constant of " + type);
            }
            return Enum.valueOf((Class) declared, name);
        }

        private static Object parsed(String type, String text) throws IOException, ReflectiveOperationException {
            if (!TEXTUAL.contains(type)) {
                throw new Frames.Malformed("a text of " + type);
            }
            Class<?> declared = Class.forName(type, false, null);
            return type.equals("java.util.UUID") ? declared.getMethod("fromString", String.class).invoke(null, text)
                    : declared.getMethod("parse", CharSequence.class).invoke(null, text);
        }
    }

    /**
     * The order of a sorted container whose comparator is the other JVM's. That comparator sorts, but cannot make two
     * different values equal: otherwise {@code contains} would find whatever it is asked for.
     */
    static final class Ranked implements Comparator<Object> {
        private final Comparator<Object> theirs;
        private final Map<Object, Integer> ranks = new HashMap<>();
        private boolean ties;

        @SuppressWarnings("unchecked")
        Ranked(Wire wire, Object comparator) throws Frames.Malformed {
            if (!(comparator instanceof Comparator)) {
                throw new Frames.Malformed("comparator");
            }
            theirs = (Comparator<Object>) comparator;
        }

        /** Learns the order of the elements; queues, in which equal elements may wait together, ask for each pair. */
        void rank(Object container, Object[] elements) {
            ties = !(container instanceof Set || container instanceof Map);
            int step = container instanceof Map ? 2 : 1;
            for (int i = 0; i < elements.length; i += step) {
                ranks.putIfAbsent(elements[i], i);
            }
        }

        @Override
        public int compare(Object a, Object b) {
            if (ties) {
                return theirs.compare(a, b);
            }
            if (a == b || (a != null && a.equals(b))) {
                return 0;
            }
            Integer first = ranks.get(a);
            Integer second = ranks.get(b);
            if (first != null && second != null) {
                return first.compareTo(second);
            }
            int answer = theirs.compare(a, b);
            return answer == 0 ? 1 : answer;
        }
    }

    private static byte[] packed(Object array, int primitive, int length) {
        ByteBuffer out = ByteBuffer.allocate(length * WIDTHS[primitive]);
        switch (primitive) {
            case 0:
                for (boolean each : (boolean[]) array) {
                    out.put((byte) (each ? 1 : 0));
                }
                break;
            case 1:
                out.put((byte[]) array);
                break;
            case 2:
                out.asCharBuffer().put((char[]) array);
                break;
            case 3:
                out.asShortBuffer().put((short[]) array);
                break;
            case 4:
                out.asIntBuffer().put((int[]) array);
                break;
            case 5:
                out.asLongBuffer().put((long[]) array);
                break;
            case 6:
                out.asFloatBuffer().put((float[]) array);
                break;
            default:
                out.asDoubleBuffer().put((double[]) array);
        }
        return out.array();
    }

    private static Object unpacked(byte[] bytes, int primitive, int length) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        Object array = Array.newInstance(PRIMITIVES[primitive], length);
        switch (primitive) {
            case 0:
                for (int i = 0; i < length; i++) {
                    ((boolean[]) array)[i] = bytes[i] != 0;
                }
                break;
            case 1:
                in.get((byte[]) array);
                break;
            case 2:
                in.asCharBuffer().get((char[]) array);
                break;
            case 3:
                in.asShortBuffer().get((short[]) array);
                break;
            case 4:
                in.asIntBuffer().get((int[]) array);
                break;
            case 5:
                in.asLongBuffer().get((long[]) array);
                break;
            case 6:
                in.asFloatBuffer().get((float[]) array);
                break;
            default:
                in.asDoubleBuffer().get((double[]) array);
        }
        return array;
    }
}
