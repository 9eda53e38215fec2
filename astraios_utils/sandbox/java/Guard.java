package astraios$sandbox;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Stands between what a sample returns and the test that compares it.
 *
 * <p>The compile server writes {@code Guard.plain(...)} around every value that a test takes from a sample's object. A
 * list whose {@code equals} always says yes would otherwise pass every test. Values built of ordinary JDK classes come
 * back as they are; a collection of any other class comes back as a copy in an ordinary one; anything else whose class
 * could answer {@code equals} for itself is refused. The package name holds a dollar sign so that no ordinary
 * identifier of a sample hides it (the compile server checks the generated call too).
 */
public final class Guard {
    private Guard() {}

    private static final Set<Class<?>> LEAVES = Set.of(
            String.class, Integer.class, Long.class, Double.class, Boolean.class, Character.class, Float.class,
            Short.class, Byte.class, BigInteger.class, BigDecimal.class);

    /** Collections without a way back into the sample: no comparator, no wrapped collection, no callback. */
    private static final Set<String> TRUSTED = Set.of(
            "java.util.ArrayList", "java.util.LinkedList", "java.util.Arrays$ArrayList", "java.util.HashSet",
            "java.util.LinkedHashSet", "java.util.ArrayDeque", "java.util.Vector", "java.util.Stack",
            "java.util.ImmutableCollections$ListN", "java.util.ImmutableCollections$List12",
            "java.util.ImmutableCollections$SetN", "java.util.ImmutableCollections$Set12",
            "java.util.Collections$EmptyList", "java.util.Collections$SingletonList");

    /** Thrown for a value that the test must not be asked to trust. */
    public static final class Untrusted extends RuntimeException {
        private static final long serialVersionUID = 1;

        Untrusted(String message) {
            super(message);
        }
    }

    public static boolean plain(boolean value) {
        return value;
    }

    public static byte plain(byte value) {
        return value;
    }

    public static short plain(short value) {
        return value;
    }

    public static char plain(char value) {
        return value;
    }

    public static int plain(int value) {
        return value;
    }

    public static long plain(long value) {
        return value;
    }

    public static float plain(float value) {
        return value;
    }

    public static double plain(double value) {
        return value;
    }

    /** The value itself if it is built of trusted classes, else an equal one that is. */
    @SuppressWarnings("unchecked")
    public static <T> T plain(T value) {
        return (T) (trusted(value) ? value : copy(value));
    }

    private static boolean trusted(Object value) {
        if (value == null || LEAVES.contains(value.getClass())) {
            return true;
        }
        Class<?> type = value.getClass();
        if (type.isArray()) {
            return type.getComponentType().isPrimitive() || allTrusted(Arrays.asList((Object[]) value));
        }
        if (value instanceof Optional) {
            return trusted(((Optional<?>) value).orElse(null));
        }
        if (value instanceof Collection && TRUSTED.contains(type.getName())) {
            return allTrusted((Collection<?>) value);
        }
        if (type == java.util.HashMap.class || type == LinkedHashMap.class) {
            Map<?, ?> map = (Map<?, ?>) value;
            return allTrusted(map.keySet()) && allTrusted(map.values());
        }
        return false;
    }

    private static boolean allTrusted(Collection<?> values) {
        for (Object each : values) {
            if (!trusted(each)) {
                return false;
            }
        }
        return true;
    }

    private static Object copy(Object value) {
        if (trusted(value)) {
            return value;
        }
        if (value instanceof Object[]) {
            Object[] array = ((Object[]) value).clone();
            for (int i = 0; i < array.length; i++) {
                array[i] = copy(array[i]);
            }
            return array;
        }
        if (value instanceof Optional) {
            return Optional.ofNullable(copy(((Optional<?>) value).orElse(null)));
        }
        if (value instanceof Map.Entry) {
            Map.Entry<?, ?> entry = (Map.Entry<?, ?>) value;
            return new AbstractMap.SimpleEntry<>(copy(entry.getKey()), copy(entry.getValue()));
        }
        return value instanceof Map ? copyOf((Map<?, ?>) value) : copyOther(value);
    }

    private static Object copyOf(Map<?, ?> map) {
        Map<Object, Object> result = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            result.put(copy(entry.getKey()), copy(entry.getValue()));
        }
        return result;
    }

    private static Object copyOther(Object value) {
        if (value instanceof Collection) {
            Collection<Object> result = value instanceof Set ? new LinkedHashSet<>() : new ArrayList<>();
            for (Object each : (Collection<?>) value) {
                result.add(copy(each));
            }
            return result;
        }
        if (comparesByIdentity(value)) {
            return value;
        }
        throw new Untrusted("the sample returned an object that compares itself: " + value.getClass().getName());
    }

    /** True for an object of the JDK, an enum, and an object that inherits its equals from Object. */
    private static boolean comparesByIdentity(Object value) {
        if (value.getClass().getClassLoader() == null || value instanceof Enum) {
            return true;
        }
        if (value instanceof Number || value instanceof CharSequence || value instanceof Comparable) {
            return false;
        }
        try {
            return value.getClass().getMethod("equals", Object.class).getDeclaringClass() == Object.class;
        } catch (NoSuchMethodException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
