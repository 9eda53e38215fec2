package astraios$sandbox;

import java.lang.reflect.Array;
import java.lang.reflect.Modifier;
import java.util.AbstractCollection;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What a collection, a map or an array is rebuilt as, and how its contents are read and changed. */
final class Containers {
    static final int NAMED = 0;
    static final int AS_LIST = 1;
    static final int LIST_OF = 2;
    static final int UNMODIFIABLE = 3;
    static final int BAG = 4;
    static final int ENUM_SET = 5;
    static final int ENUM_MAP = 6;

    static final int NATURAL = 0;
    static final int REVERSED = 1;
    static final int IGNORING_CASE = 2;
    static final int OWN_ORDER = 3;

    private static final int LARGEST_TABLE = 1 << 20;

    private Containers() {}

    /** How a container is rebuilt: one of the constants above, and what it needs. */
    static final class Plan {
        final int kind;
        final String name;

        Plan(int kind, String name) {
            this.kind = kind;
            this.name = name;
        }
    }

    /** A collection that, as the JDK's views do, is equal to itself alone. */
    static final class Bag extends AbstractCollection<Object> {
        final List<Object> elements = new ArrayList<>();

        @Override
        public boolean add(Object element) {
            return elements.add(element);
        }

        @Override
        public Iterator<Object> iterator() {
            return elements.iterator();
        }

        @Override
        public int size() {
            return elements.size();
        }
    }

    static boolean ofJdk(Class<?> type) {
        return type.getClassLoader() == null && type.getName().startsWith("java.");
    }

    /**
     * The plan for a collection or a map; null if it crosses as a handle.
     *
     * <p>A class of the JDK is rebuilt as itself, a subclass of one as that class. A class of the sample that
     * implements List, Set or Map crosses by its contents if it compares them; otherwise it is equal to itself alone.
     */
    static Plan plan(Object container) {
        Class<?> type = container.getClass();
        Class<?> jdk = type;
        while (!ofJdk(jdk)) {
            jdk = jdk.getSuperclass();
        }
        if (standard(jdk)) {
            return new Plan(NAMED, jdk.getName());
        }
        if (jdk == type) {
            return planOfJdk(container, type.getName());
        }
        boolean known = container instanceof List || container instanceof Set || container instanceof Map;
        return known && comparesContents(type) ? planByInterface(container) : null;
    }

    private static Plan planOfJdk(Object container, String name) {
        if (name.equals("java.util.Arrays$ArrayList")) {
            return new Plan(AS_LIST, "");
        }
        if (name.startsWith("java.util.ImmutableCollections$")) {
            return container instanceof List ? new Plan(LIST_OF, "") : unmodifiable(container);
        }
        for (String each : new String[] {"Unmodifiable", "Empty", "Singleton", "CopiesList"}) {
            if (name.startsWith("java.util.Collections$" + each)) {
                return unmodifiable(container);
            }
        }
        if (container instanceof EnumSet) {
            Class<?> element = elementType((EnumSet<?>) container);
            return element != null && ofJdk(element) ? new Plan(ENUM_SET, element.getName()) : planByInterface(container);
        }
        if (container instanceof EnumMap && !((EnumMap<?, ?>) container).isEmpty()) {
            Class<?> key = ((Enum<?>) ((EnumMap<?, ?>) container).keySet().iterator().next()).getDeclaringClass();
            return ofJdk(key) ? new Plan(ENUM_MAP, key.getName()) : planByInterface(container);
        }
        return planByInterface(container);
    }

    private static Class<?> elementType(EnumSet<?> set) {
        EnumSet<?> full = set.isEmpty() ? EnumSet.complementOf(set) : set;
        return full.isEmpty() ? null : full.iterator().next().getDeclaringClass();
    }

    private static Plan unmodifiable(Object container) {
        return new Plan(UNMODIFIABLE, plainClass(container).getName());
    }

    private static Plan planByInterface(Object container) {
        Class<?> plain = plainClass(container);
        return plain == Bag.class ? new Plan(BAG, "") : new Plan(NAMED, plain.getName());
    }

    private static Class<?> plainClass(Object container) {
        if (container instanceof Map) {
            return container instanceof SortedMap ? TreeMap.class : LinkedHashMap.class;
        }
        if (container instanceof Set) {
            return container instanceof SortedSet ? TreeSet.class : LinkedHashSet.class;
        }
        if (container instanceof Deque && !(container instanceof List)) {
            return ArrayDeque.class;
        }
        return container instanceof List ? ArrayList.class : Bag.class;
    }

    private static boolean comparesContents(Class<?> type) {
        try {
            return type.getMethod("equals", Object.class).getDeclaringClass() != Object.class;
        } catch (NoSuchMethodException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** A collection or map of java.util that anyone can make with {@code new}. */
    static boolean standard(Class<?> type) {
        boolean container = Collection.class.isAssignableFrom(type) || Map.class.isAssignableFrom(type);
        boolean visible = Modifier.isPublic(type.getModifiers()) && !Modifier.isAbstract(type.getModifiers());
        String place = type.getPackageName();
        if (!container || !visible || !(place.equals("java.util") || place.equals("java.util.concurrent"))) {
            return false;
        }
        try {
            return Modifier.isPublic(type.getConstructor().getModifiers());
        } catch (NoSuchMethodException absent) {
            return false;
        }
    }

    // ---------------------------------------------------------------- order

    /** The comparator of a sorted container or priority queue; null where there is none or the order is natural. */
    static Comparator<?> comparator(Object container) {
        if (container instanceof SortedSet) {
            return ((SortedSet<?>) container).comparator();
        }
        if (container instanceof SortedMap) {
            return ((SortedMap<?, ?>) container).comparator();
        }
        if (container instanceof PriorityQueue) {
            return ((PriorityQueue<?>) container).comparator();
        }
        return container instanceof PriorityBlockingQueue ? ((PriorityBlockingQueue<?>) container).comparator() : null;
    }

    static int order(Comparator<?> comparator) {
        if (comparator == null || comparator == Comparator.naturalOrder()) {
            return NATURAL;
        }
        if (comparator == Collections.reverseOrder()) {
            return REVERSED;
        }
        return comparator == String.CASE_INSENSITIVE_ORDER ? IGNORING_CASE : OWN_ORDER;
    }

    static boolean sorts(Class<?> type) {
        return SortedSet.class.isAssignableFrom(type) || SortedMap.class.isAssignableFrom(type)
                || type == PriorityQueue.class || type == PriorityBlockingQueue.class;
    }

    /**
     * The smallest table with which a new HashMap iterates in the given order, as a capacity; 0 if there is none.
     * Elements of one bucket keep the order in which they are added.
     */
    static int capacity(Object[] keys) {
        int capacity = 16;
        while (capacity * 3L / 4 < keys.length) {
            capacity *= 2;
        }
        for (; capacity <= LARGEST_TABLE; capacity *= 2) {
            if (inOrder(keys, capacity - 1)) {
                return capacity;
            }
        }
        return 0;
    }

    private static boolean inOrder(Object[] keys, int mask) {
        int last = 0;
        for (Object key : keys) {
            int hash = key == null ? 0 : key.hashCode();
            int bucket = (hash ^ (hash >>> 16)) & mask;
            if (bucket < last) {
                return false;
            }
            last = bucket;
        }
        return true;
    }

    // ---------------------------------------------------------------- making

    /** A new container of that class of the JDK, or null. */
    static Object make(String name, int order, Comparator<Object> own, int capacity) throws ReflectiveOperationException {
        if (name.equals("java.util.HashMap") && capacity > 0) {
            return new HashMap<>(capacity);
        }
        if (name.equals("java.util.HashSet") && capacity > 0) {
            return new HashSet<>(capacity);
        }
        Class<?> type = Class.forName(name, false, null);
        if (!standard(type)) {
            return null;
        }
        Comparator<?> comparator = order == REVERSED ? Collections.reverseOrder()
                : order == IGNORING_CASE ? String.CASE_INSENSITIVE_ORDER : own;
        if (comparator == null || !sorts(type)) {
            return type.getConstructor().newInstance();
        }
        if (type == PriorityBlockingQueue.class) {
            return new PriorityBlockingQueue<>(11, comparator);
        }
        return type.getConstructor(Comparator.class).newInstance(comparator);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object unmodifiable(Object backing, boolean plainCollection) {
        if (backing instanceof TreeMap) {
            return Collections.unmodifiableNavigableMap((TreeMap) backing);
        }
        if (backing instanceof Map) {
            return Collections.unmodifiableMap((Map) backing);
        }
        if (backing instanceof TreeSet) {
            return Collections.unmodifiableNavigableSet((TreeSet) backing);
        }
        if (backing instanceof Set) {
            return Collections.unmodifiableSet((Set) backing);
        }
        return plainCollection ? Collections.unmodifiableCollection((Collection) backing)
                : Collections.unmodifiableList((List) backing);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object emptyOfEnum(int kind, String name) throws ReflectiveOperationException {
        Class type = Class.forName(name, false, null);
        if (!type.isEnum() || !ofJdk(type)) {
            return null;
        }
        return kind == ENUM_SET ? EnumSet.noneOf(type) : new EnumMap(type);
    }

    // ---------------------------------------------------------------- contents

    /** The elements, or keys and values alternately; null for what is no collection and no map. */
    static Object[] elements(Object container) {
        if (container instanceof Map) {
            Object[] entries = ((Map<?, ?>) container).entrySet().toArray();
            Object[] all = new Object[2 * entries.length];
            for (int i = 0; i < entries.length; i++) {
                all[2 * i] = ((Map.Entry<?, ?>) entries[i]).getKey();
                all[2 * i + 1] = ((Map.Entry<?, ?>) entries[i]).getValue();
            }
            return all;
        }
        return container instanceof Collection ? ((Collection<?>) container).toArray() : null;
    }

    @SuppressWarnings("unchecked")
    static void add(Object container, Object[] elements) {
        if (container instanceof Map) {
            for (int i = 0; i + 1 < elements.length; i += 2) {
                ((Map<Object, Object>) container).put(elements[i], elements[i + 1]);
            }
        } else {
            for (Object each : elements) {
                ((Collection<Object>) container).add(each);
            }
        }
    }

    /** What can be changed in place, as a copy: an Object[] or an array of primitives; null for everything else. */
    static Object contents(Object object) {
        if (object instanceof Map || object instanceof Collection) {
            return elements(object);
        }
        if (object instanceof StringBuilder || object instanceof StringBuffer) {
            return new Object[] {object.toString()};
        }
        if (object instanceof AtomicInteger || object instanceof AtomicLong) {
            return new Object[] {((Number) object).longValue()};
        }
        if (object instanceof AtomicBoolean) {
            return new Object[] {((AtomicBoolean) object).get()};
        }
        if (!object.getClass().isArray()) {
            return null;
        }
        int length = Array.getLength(object);
        Class<?> component = object.getClass().getComponentType();
        Object copy = Array.newInstance(component.isPrimitive() ? component : Object.class, length);
        System.arraycopy(object, 0, copy, 0, length);
        return copy;
    }

    /** Whether two results of {@link #contents} hold the same objects, or equal primitives. */
    static boolean unchanged(Object before, Object now) {
        if (before instanceof Object[] && now instanceof Object[]) {
            Object[] a = (Object[]) before;
            Object[] b = (Object[]) now;
            for (int i = 0; i < a.length && i < b.length; i++) {
                if (a[i] != b[i] && !equalScalars(a[i], b[i])) {
                    return false;
                }
            }
            return a.length == b.length;
        }
        return Arrays.deepEquals(new Object[] {before}, new Object[] {now});
    }

    private static boolean equalScalars(Object a, Object b) {
        boolean scalar = a instanceof Number || a instanceof Character || a instanceof Boolean || a instanceof String;
        return scalar && ofJdk(a.getClass()) && a.equals(b);
    }

    /** Gives a container of this JVM the contents that it has in the other one. */
    @SuppressWarnings("unchecked")
    static void change(Object object, Object contents) {
        if (object.getClass().isArray()) {
            System.arraycopy(contents, 0, object, 0, Array.getLength(object));
            return;
        }
        Object[] now = (Object[]) contents;
        if (object instanceof StringBuilder) {
            ((StringBuilder) object).replace(0, ((StringBuilder) object).length(), (String) now[0]);
        } else if (object instanceof StringBuffer) {
            ((StringBuffer) object).replace(0, ((StringBuffer) object).length(), (String) now[0]);
        } else if (object instanceof AtomicInteger) {
            ((AtomicInteger) object).set(((Number) now[0]).intValue());
        } else if (object instanceof AtomicLong) {
            ((AtomicLong) object).set(((Number) now[0]).longValue());
        } else if (object instanceof AtomicBoolean) {
            ((AtomicBoolean) object).set((Boolean) now[0]);
        } else if (object instanceof List && ((List<?>) object).size() == now.length) {
            for (int i = 0; i < now.length; i++) {
                ((List<Object>) object).set(i, now[i]); // also lists of a fixed size
            }
        } else if (object instanceof Map) {
            ((Map<?, ?>) object).clear();
            add(object, now);
        } else {
            ((Collection<?>) object).clear();
            add(object, now);
        }
    }
}
